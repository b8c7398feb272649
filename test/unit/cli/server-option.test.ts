/** Every command takes `--server`, or says why it does not. */
import type { Command } from 'commander';
import { buildProgram } from '../../../src/cli/program';
import { serverMeant, WITHOUT_SERVER, withServer } from '../../../src/cli/server-option';

/** Commands that are about one server where it is named. */
const WITH_SERVER = [
  ...['check', 'plan', 'confirm', 'rollback', 'history', 'show', 'diff'],
  ...['allow', 'deny', 'reject', 'limit', 'insert', 'prepend', 'delete', 'move', 'udp', 'ssh', 'default'],
  ...['allow-all', 'status', 'doctor', 'who-reaches', 'review', 'events', 'explain', 'replay', 'snapshot', 'metrics'],
];

/** Without those that only say what to type instead. */
function shownCommands(program: Command): readonly Command[] {
  return program
    .createHelp()
    .visibleCommands(program)
    .filter((command) => command.name() !== 'help');
}

async function commands(): Promise<Map<string, { readonly shown: boolean; readonly hidden: boolean }>> {
  const program = await buildProgram();
  return new Map(
    shownCommands(program).map((command) => {
      const option = command.options.find(({ long }) => long === '--server');
      return [command.name(), { shown: option?.hidden === false, hidden: option?.hidden === true }];
    }),
  );
}

test('each command is in one of the two lists, and keeps to it', async () => {
  const found = await commands();
  const listed = [...WITH_SERVER, ...Object.keys(WITHOUT_SERVER)];
  expect(new Set(listed).size).toBe(listed.length);
  expect([...found.keys()].sort()).toEqual([...listed].sort());
  for (const name of WITH_SERVER) expect([name, found.get(name)]).toEqual([name, { shown: true, hidden: false }]);
  for (const name of Object.keys(WITHOUT_SERVER))
    expect([name, found.get(name)]).toEqual([name, { shown: false, hidden: true }]);
});

test.each(Object.entries(WITHOUT_SERVER))('%s refuses it, with the reason', async (name, why) => {
  const program = await buildProgram([name]);
  let told = '';
  for (const command of [program, ...program.commands])
    command.configureOutput({ writeErr: (text) => (told += text) }).exitOverride();
  await expect(program.parseAsync([name, '--server', 'red'], { from: 'user' })).rejects.toMatchObject({
    code: 'cli/no-server',
  });
  expect(told).toContain(`${name} takes no --server\n  ${why}`);
  expect(told).not.toContain('Usage:');
});

test('the option and a word in its place', () => {
  expect(serverMeant({})).toBeUndefined();
  expect(serverMeant({ server: 'red' })).toBe('red');
  expect(serverMeant({}, 'red')).toBe('red');
  expect(serverMeant({ server: 'red' }, 'red')).toBe('red');
  expect(() => serverMeant({ server: 'red' }, 'green')).toThrow('"green" and --server red');
  expect(withServer({ server: 'red' }, ['22'])).toEqual(['red', '22']);
  expect(withServer({ server: 'red' }, ['red', '22'])).toEqual(['red', '22']);
  expect(withServer({}, ['22'])).toEqual(['22']);
});
