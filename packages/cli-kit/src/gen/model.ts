/** What the shells' completions have in common. */
import {
  type Command,
  commandsOf,
  type Kind,
  optionsOf,
  type Program,
  singleCommand,
} from '../definition.js';

/** What a shell offers for a value. */
export type Offer =
  | { readonly kind: 'files' | 'devices' | 'minors' | 'nothing' }
  /** Minors and block devices. */
  | { readonly kind: 'tracked' }
  | { readonly kind: 'words'; readonly words: readonly string[] };

export interface OptionModel {
  /** `--cache-size`, `-c`. */
  readonly flags: readonly string[];
  readonly summary: string;
  /** Undefined: a flag. */
  readonly value?: Offer;
  readonly label: string;
  readonly repeated: boolean;
}

export interface CommandModel {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly OptionModel[];
  readonly places: readonly { readonly offer: Offer; readonly label: string }[];
  /** From this place on the last but `tail` repeat. */
  readonly repeatedFrom?: number;
}

export interface ProgramModel {
  readonly name: string;
  /** A name that shells take for a function. */
  readonly id: string;
  readonly single: boolean;
  readonly commands: readonly CommandModel[];
}

export function modelOf<Tools>(program: Program<Tools>): ProgramModel {
  const single = singleCommand(program) !== undefined;
  const commands = commandsOf(program).map(commandModel);
  return { name: program.name, id: program.name.replaceAll('-', '_'), single, commands };
}

function commandModel(command: Command): CommandModel {
  const repeated = command.arguments.findIndex((argument) => argument.repeated);
  return {
    name: command.name,
    summary: command.summary,
    options: optionsOf(command).map(
      ({ name, letter, kind, summary, choices, value, repeated }) => ({
        flags: letter === undefined ? [`--${name}`] : [`--${name}`, `-${letter}`],
        summary,
        label: value ?? name,
        repeated: repeated ?? false,
        ...(kind === 'flag' ? {} : { value: offerOf(kind, choices) }),
      }),
    ),
    places: command.arguments.map(({ kind, choices, label, name }) => ({
      offer: offerOf(kind, choices),
      label: label ?? name,
    })),
    ...(repeated < 0 ? {} : { repeatedFrom: repeated }),
  };
}

function offerOf(kind: Kind, choices: readonly string[] = []): Offer {
  switch (kind) {
    case 'file':
    case 'absolute-path':
      return { kind: 'files' };
    case 'block-device':
    case 'new-device':
      return { kind: 'devices' };
    case 'minor':
      return { kind: 'minors' };
    case 'device':
      return { kind: 'tracked' };
    case 'choice':
      return { kind: 'words', words: choices };
    default:
      return { kind: 'nothing' };
  }
}

/** What is offered at a place; at and after a repeated one, everything that may stand there. */
export function offerAt(command: CommandModel, place: number): Offer {
  const { places, repeatedFrom } = command;
  const at = repeatedFrom !== undefined && place > repeatedFrom ? places.length - 1 : place;
  return places[at]?.offer ?? { kind: 'nothing' };
}
