import { buildProgram } from '../../../src/cli/program';

async function failureOf(...words: string[]): Promise<unknown> {
  const errors = jest.spyOn(process.stderr, 'write').mockReturnValue(true);
  try {
    const program = await buildProgram(words);
    const quiet = { writeErr: () => undefined, writeOut: () => undefined };
    for (const command of [program, ...program.commands]) command.configureOutput(quiet);
    await program.parseAsync(words, { from: 'user' });
    return undefined;
  } catch (error) {
    return error;
  } finally {
    errors.mockRestore();
  }
}

test.each([
  ['app', 'list', /sluice allow ssh/],
  ['app', 'info', /sluice allow ssh/],
  ['reload', undefined, /sluice apply/],
  ['route', 'allow', /sluice allow from A to B/],
  ['rule', 'allow', /sluice allow 22\/tcp/],
  ['--force', 'enable', /disable --yes.*enable --force/],
  ['--dry-run', 'allow', /apply FILE --dry-run/],
])('ufw %s %s: what to type instead', async (verb, word, instead) => {
  expect(await failureOf(...[verb, word].filter((one) => one !== undefined))).toMatchObject({
    code: 'cli/of-ufw',
    message: expect.stringMatching(instead) as string,
  });
});

test.each([
  ['start', /sluice enable/],
  ['block', /sluice ban/],
  ['logs', /sluice events/],
])('%s, a word of others: what to type instead', async (word, instead) => {
  const failure = { code: 'cli/of-others', message: expect.stringMatching(instead) as string };
  expect(await failureOf(word, '192.0.2.9')).toMatchObject(failure);
});

test('--version tells it', async () => {
  expect(await failureOf('--version')).toMatchObject({ code: 'commander.version', exitCode: 0 });
});

test('--help lists every command once, under a heading of what it is about', async () => {
  const help = (await buildProgram()).helpInformation();
  for (const heading of ['The ruleset file:', 'What is enforced:', 'Rules and switches:', 'Looking:', 'The machine:'])
    expect(help).toContain(`\n${heading}\n`);
  for (const name of ['check', 'apply', 'prepend', 'status', 'daemon'])
    expect(help.match(new RegExp(`^  ${name}\\b`, 'gm'))).toHaveLength(1);
});

test('a word that is no verb at all is unknown, and verbs of ufw are not listed', async () => {
  expect(await failureOf('chekc')).toMatchObject({ code: 'commander.unknownCommand' });
  expect((await buildProgram()).helpInformation()).not.toMatch(/reload/);
});

test('two judges of which each is to be the only one are refused', async () => {
  expect(await failureOf('replay', '--pcap', 'x', '--model', '--kernel')).toMatchObject({
    code: 'commander.conflictingOption',
  });
});
