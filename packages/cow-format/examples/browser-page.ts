/** A COW file that a user chose in a browser: how much of the device changed. */
import { blobSource, changedRuns, cowLayout, formatUuid, readHeader } from '@dbd/cow-format';

export async function summarise(file: Blob, deviceBytes: number) {
  const source = blobSource(file);
  const { uuid, seqid } = await readHeader(source);
  const layout = cowLayout(deviceBytes);
  let blocks = 0;
  let runs = 0;
  for await (const { count } of changedRuns(source, { device: layout })) {
    blocks += count;
    runs++;
  }
  return {
    uuid: formatUuid(uuid),
    // JSON has no integers beyond 2^53.
    seqid: String(seqid),
    blocks,
    runs,
    share: blocks / layout.blocks,
  };
}
