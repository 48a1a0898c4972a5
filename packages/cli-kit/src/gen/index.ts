/** Everything that is derived from a program's definition, as files. */
import { commandsOf, outputsOf, type Program } from '../definition.js';
import { FAILURE_OUTPUT } from '../failure.js';
import { schemaDocument } from '../json.js';
import { bashCompletion } from './bash.js';
import { fishCompletion } from './fish.js';
import { MAN_SECTION, manPage } from './man.js';
import { markdownReference } from './markdown.js';
import { zshCompletion } from './zsh.js';

export { bashCompletion, fishCompletion, manPage, markdownReference, zshCompletion };

/** Paths in the program's package, and what stands there. */
export function generatedFiles<Tools>(program: Program<Tools>): Record<string, string> {
  const { name } = program;
  return {
    [`man/${name}.${MAN_SECTION}`]: manPage(program),
    [`completions/${name}.bash`]: bashCompletion(program),
    [`completions/_${name}`]: zshCompletion(program),
    [`completions/${name}.fish`]: fishCompletion(program),
    [`docs/${name}.md`]: markdownReference(program),
    ...Object.fromEntries(
      [FAILURE_OUTPUT, ...commandsOf(program).flatMap(outputsOf)].map(({ schema, json }) => [
        `schema/${schema}.json`,
        `${JSON.stringify(schemaDocument(schema, json), undefined, 2)}\n`,
      ]),
    ),
  };
}
