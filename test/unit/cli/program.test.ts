import { buildProgram } from '../../../src/cli/program';

async function failureOf(...words: string[]): Promise<unknown> {
  const program = await buildProgram(words);
  for (const command of [program, ...program.commands]) command.configureOutput({ writeErr: () => undefined });
  return program.parseAsync(words, { from: 'user' }).then(
    () => undefined,
    (error: unknown) => error,
  );
}

test.each([
  ['app', 'list', /sluice allow ssh/],
  ['app', 'info', /sluice allow ssh/],
  ['reload', undefined, /sluice apply/],
  ['route', 'allow', /sluice allow from A to B/],
])('ufw %s %s: what to type instead', async (verb, word, instead) => {
  expect(await failureOf(...[verb, word].filter((one) => one !== undefined))).toMatchObject({
    code: 'cli/of-ufw',
    message: expect.stringMatching(instead) as string,
  });
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
