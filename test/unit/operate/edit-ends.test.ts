/** What verbs with an end do to rows that are there. */
import { addRule, deleteRule, type EditOutcome, insertRule } from '../../../src/operate/edit-ruleset';

const ONE = '2027-01-01T00:00Z';
const TWO = '2027-01-02T00:00Z';
const file = (...rows: string[]) => ({
  text: `version: 1\ninbound:\n  rules:\n${rows.map((row) => `    - ${row}\n`).join('')}`,
  file: '/nowhere/rules.yaml',
});
const rowsOf = (outcome: EditOutcome): string[] =>
  outcome.kind === 'changed'
    ? outcome.text
        .split('\n')
        .slice(3, -1)
        .map((line) => line.replace('    - ', ''))
    : [`${outcome.kind}: ${outcome.kind === 'unchanged' ? outcome.message : outcome.diagnostics[0].message}`];

test('a row with an end is written with it, before id and comment', () => {
  const outcome = addRule(file('allow 443/tcp'), `allow 22/tcp until ${ONE} comment 'a visitor'`);
  expect(rowsOf(outcome)).toEqual(['allow 443/tcp', `allow 22/tcp until ${ONE} id tcp-22 comment 'a visitor'`]);
  expect(outcome).toMatchObject({ message: `added rule 2: allow 22/tcp, until ${ONE}` });
});

test('it takes no row without end away: that one decides again when it is over', () => {
  const before = file('allow 443/tcp', 'allow 22/tcp id door', 'allow 80/tcp');
  const outcome = addRule(before, `deny 22/tcp until ${ONE}`);
  expect(rowsOf(outcome)).toEqual([
    'allow 443/tcp',
    `deny 22/tcp until ${ONE} id tcp-22`,
    'allow 22/tcp id door',
    'allow 80/tcp',
  ]);
  expect(outcome).toMatchObject({
    message: `inserted rule 2: deny 22/tcp, until ${ONE}, then "allow 22/tcp" decides again`,
  });
  expect(rowsOf(insertRule(before, 1, `reject 22/tcp until ${ONE}`))[0]).toBe(`reject 22/tcp until ${ONE} id tcp-22`);
});

test('what is allowed without end stays so', () => {
  expect(rowsOf(addRule(file('allow 22/tcp'), `allow 22/tcp until ${ONE}`))).toEqual([
    'unchanged: skipping, already there without end as rule 1: allow 22/tcp',
  ]);
});

test('a row with an end gets another one, another action, or none', () => {
  const before = file(`allow 22/tcp until ${ONE} id door`, `{ action: allow, port: 80/tcp, until: ${ONE}, id: web }`);
  const rows = (row: string): string[] => rowsOf(addRule(before, row));
  expect(rows(`allow 22/tcp until ${ONE}`)).toEqual(['unchanged: skipping, already there as rule 1: allow 22/tcp']);
  expect(rows(`allow 22/tcp until ${TWO}`)[0]).toBe(`allow 22/tcp until ${TWO} id door`);
  expect(rows(`deny 22/tcp until ${TWO}`)[0]).toBe(`deny 22/tcp until ${TWO} id door`);
  expect(rows('allow 22/tcp')[0]).toBe('allow 22/tcp id door');
  expect(rows(`allow 80/tcp until '${TWO}'`)[1]).toBe(`{ action: allow, port: 80/tcp, until: ${TWO}, id: web }`);
  expect(rows('allow 80/tcp')[1]).toBe('{ action: allow, port: 80/tcp, id: web }');
  expect(addRule(before, 'allow 22/tcp')).toMatchObject({
    message: `changed rule 1: allow 22/tcp, without end (was until ${ONE})`,
  });
});

test('a verb without end is about the row without end where there are both', () => {
  const before = file(`deny 22/tcp until ${ONE} id shut`, 'allow 22/tcp id door');
  expect(rowsOf(addRule(before, 'reject 22/tcp'))).toEqual([
    `deny 22/tcp until ${ONE} id shut`,
    'reject 22/tcp id door',
  ]);
  expect(rowsOf(deleteRule(before, 'deny 22/tcp'))).toEqual(['allow 22/tcp id door']);
  expect(rowsOf(deleteRule(before, `deny 22/tcp until ${ONE}`))).toEqual(['allow 22/tcp id door']);
});
