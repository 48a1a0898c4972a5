/** Looks for the end of a stretch of zeros with WebAssembly SIMD, where there is such a thing. */

/** Bytes that the scan holds at a time. */
export const SCAN_BYTES = 256 * 1024;
/** Bytes that it looks at in one step. */
export const SCAN_STEP = 64;

/** A scan over a copy of some bytes. */
export interface ZeroScan {
  /** Takes a copy of at most {@link SCAN_BYTES} bytes, a multiple of {@link SCAN_STEP}. */
  load(bytes: Uint8Array): void;
  /** Offset of the first step at or after `from` that has a byte other than zero, or `end`; all multiples of the step. */
  find(from: number, end: number): number;
}

/** The part of WebAssembly that is needed here: this package is compiled without the types of a platform. */
interface WebAssemblyLike {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
  ) => { readonly exports: Readonly<Record<string, unknown>> };
}

/**
 * (module
 *   (memory (export "m") 4)
 *   (func (export "f") (param $at i32) (param $end i32) (result i32)
 *     (block $out (loop $next
 *       (br_if $out (i32.ge_u (local.get $at) (local.get $end)))
 *       (br_if $out (v128.any_true (v128.or
 *         (v128.or (v128.load (local.get $at)) (v128.load offset=16 (local.get $at)))
 *         (v128.or (v128.load offset=32 (local.get $at)) (v128.load offset=48 (local.get $at))))))
 *       (local.set $at (i32.add (local.get $at) (i32.const 64)))
 *       (br $next)))
 *     (local.get $at)))
 */
// biome-ignore format: a section of the module a line, of the function an instruction or two.
const MODULE = [
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00,
  0x01, 0x07, 0x01, 0x60, 0x02, 0x7f, 0x7f, 0x01, 0x7f,
  0x03, 0x02, 0x01, 0x00,
  0x05, 0x03, 0x01, 0x00, 0x04,
  0x07, 0x09, 0x02, 0x01, 0x6d, 0x02, 0x00, 0x01, 0x66, 0x00, 0x00,
  0x0a, 0x3f, 0x01, 0x3d, 0x00,
  0x02, 0x40, 0x03, 0x40,
  0x20, 0x00, 0x20, 0x01, 0x4f, 0x0d, 0x01,
  0x20, 0x00, 0xfd, 0x00, 0x04, 0x00,
  0x20, 0x00, 0xfd, 0x00, 0x04, 0x10,
  0xfd, 0x50,
  0x20, 0x00, 0xfd, 0x00, 0x04, 0x20,
  0x20, 0x00, 0xfd, 0x00, 0x04, 0x30,
  0xfd, 0x50,
  0xfd, 0x50,
  0xfd, 0x53, 0x0d, 0x01,
  0x20, 0x00, 0x41, 0xc0, 0x00, 0x6a, 0x21, 0x00,
  0x0c, 0x00,
  0x0b, 0x0b,
  0x20, 0x00, 0x0b,
];

let made: ZeroScan | null | undefined;

/** The scan, made at the first call; null where the platform has no WebAssembly SIMD, or forbids it. */
export function zeroScan(): ZeroScan | null {
  made ??= makeZeroScan((globalThis as { WebAssembly?: WebAssemblyLike }).WebAssembly);
  return made;
}

export function makeZeroScan(platform: WebAssemblyLike | undefined): ZeroScan | null {
  if (platform === undefined) return null;
  try {
    const { exports } = new platform.Instance(new platform.Module(new Uint8Array(MODULE)));
    const memory = new Uint8Array((exports.m as { readonly buffer: ArrayBuffer }).buffer);
    return {
      load: (bytes) => memory.set(bytes),
      find: exports.f as (from: number, end: number) => number,
    };
  } catch {
    // An engine without SIMD, or a policy that forbids compiling: the scan in JavaScript does as well.
    return null;
  }
}
