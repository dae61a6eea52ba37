import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { CliFailure } from '../failure';

/** Fewer inputs than this are no baseline. */
const inputsMin = 100;

/** Prints the profile of a file of requests, or writes it; needs neither a configuration nor a controller. */
export async function profileInputs(
  context: Context,
  input: { readonly file: string; readonly out?: string },
): Promise<number> {
  const { InputsRefused, profileOfFile } = await import('../../workers/input-profile');
  const inputProfile = await profileOfFile(resolve(input.file)).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    if (error instanceof InputsRefused || (error as NodeJS.ErrnoException).code !== undefined)
      throw new CliFailure(exitCodes.refused, why, 'give a file with one request body a line, as clients send it');
    throw error;
  });
  if (inputProfile.inputs < inputsMin)
    throw new CliFailure(
      exitCodes.refused,
      `${input.file}: found ${inputProfile.inputs} inputs, expected at least ${inputsMin}`,
      'take more of the inputs that the version was validated on',
    );
  const profile = { schema: 1, inputProfile };
  if (input.out === undefined) {
    printJson(context.terminal, profile);
    return exitCodes.ok;
  }
  try {
    writeFileSync(resolve(input.out), `${JSON.stringify(profile, null, 2)}\n`);
  } catch (error) {
    throw new CliFailure(exitCodes.refused, (error as Error).message, 'give --out a path that can be written');
  }
  const fields = Object.keys(inputProfile.fields).length;
  if (context.json) printJson(context.terminal, { out: input.out, inputs: inputProfile.inputs, fields });
  else
    printLines(context.terminal, [
      `${input.out}: ${inputProfile.inputs} inputs, ${fields} fields; put it into the artifact with role profile before its manifest is written`,
    ]);
  return exitCodes.ok;
}
