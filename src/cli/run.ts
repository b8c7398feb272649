/** The frame around every command: common options, one place that turns exceptions into words and exit codes. */
import type { Command } from 'commander';
import { hasCapabilities } from '../kernel/capabilities';
import { type Context, openContext } from '../operate/context';
import { fileMeant } from '../operate/enforced-file';
import { settle } from '../operate/pending';
import { readRulesetText, rulesetPath, type RulesetText } from '../operate/ruleset-file';
import { EXIT, type ExitCode } from './exit-code';
import { Exit, Output } from './output';

/** Options every command takes. */
export interface CommonOptions {
  readonly file?: string;
  readonly netns?: string;
  readonly interface?: readonly string[];
  readonly json?: boolean;
  readonly strict?: boolean;
  readonly socket?: string;
}

/** What a command works with. */
export interface Run<Options> {
  readonly output: Output;
  readonly options: CommonOptions & Options;
  /**
   * Opens the namespace of `--netns`; only commands that touch the kernel call it. Says what became of a change that
   * nobody confirmed, but where the command tells it itself.
   */
  context: (options?: { readonly tidyUp: boolean }) => Promise<Context>;
  /**
   * The ruleset file: the argument, else `--file`, else the one that enforces or did last, else `path()`. Says which it
   * is where nobody named it and it is not `path()`.
   */
  readText: (argument?: string) => Promise<RulesetText>;
  /** The argument, else `--file`, else the environment, else the default. */
  path: (argument?: string) => string;
}

/** Ends what an earlier change left, and says what became of it; where that cannot be written down the command goes on. */
export async function tidyUp(context: Context, output: Output): Promise<void> {
  try {
    const news = await settle(context);
    if (news !== null) output.say(`note: ${news}`);
  } catch (error) {
    output.say(`note: an earlier change cannot be tidied up: ${messageOf(error)}`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Without privilege nobody can see what enforces: then it is the default. */
async function fileOf(
  { options, output, path }: { options: CommonOptions } & Pick<Run<unknown>, 'output' | 'path'>,
  argument?: string,
): Promise<string> {
  const usual = path(argument);
  if (argument !== undefined || options.file !== undefined || !hasCapabilities()) return usual;
  const { file } = await fileMeant(await openContext(placeOf(options)), usual);
  if (file !== usual) output.say(`note: ${file} is the enforced file; --file ${usual} takes that one instead`);
  return file;
}

function placeOf({ netns }: CommonOptions): { netns?: string } {
  return netns === undefined ? {} : { netns };
}

/** Makes a handler the action of a command. The handler gets the positional arguments as commander parsed them. */
export function onRun<Options = object>(
  command: Command,
  handler: (run: Run<Options>, ...positional: never[]) => Promise<ExitCode | undefined> | ExitCode | undefined,
): Command {
  return command.action(async (...args: unknown[]) => {
    const options = command.optsWithGlobals<CommonOptions & Options>();
    const output = new Output(options.json ?? false);
    const path = (argument?: string): string => rulesetPath(argument ?? options.file);
    const run: Run<Options> = {
      output,
      options,
      context: async ({ tidyUp: tidies } = { tidyUp: true }) => {
        const context = await openContext(placeOf(options));
        if (tidies) await tidyUp(context, output);
        return context;
      },
      path,
      readText: async (argument) => readRulesetText(await fileOf(run, argument)),
    };
    try {
      // commander hands over the positional arguments, then the options and the command itself.
      if (options.socket !== undefined) {
        const { askThroughSocket } = await import('./over-socket');
        process.exitCode = await askThroughSocket(options.socket, command, args.slice(0, -2), output);
        return;
      }
      process.exitCode = (await handler(run, ...(args.slice(0, -2) as never[]))) ?? EXIT.DONE;
    } catch (error) {
      process.exitCode = error instanceof Exit ? error.code : output.failure(error);
    } finally {
      output.endProgress();
    }
  });
}
