/** The report as a reader of XML sees it: Python's, which like libxml2 refuses what XML 1.0 does not allow. */
import { type JunitCase, renderJunit } from '../../../src/diagnostics/junit';
import { must } from '../../support/process';

interface Read {
  readonly counts: Record<string, string>;
  readonly cases: readonly { attributes: Record<string, string>; kind: string | null; message: string; text: string }[];
}

const READER = `
import json, sys, xml.etree.ElementTree as tree
suites = tree.fromstring(sys.stdin.buffer.read())
suite = suites[0]
assert suites.tag == 'testsuites' and suite.tag == 'testsuite' and len(suites) == 1
cases = []
for case in suite:
    assert case.tag == 'testcase' and len(case) <= 1
    inner = case[0] if len(case) else None
    cases.append({'attributes': case.attrib, 'kind': None if inner is None else inner.tag,
        'message': '' if inner is None else inner.get('message'), 'text': '' if inner is None else inner.text or ''})
assert {k: suites.get(k) for k in ('tests', 'failures', 'errors')} == {k: suite.get(k) for k in ('tests', 'failures', 'errors')}
print(json.dumps({'counts': dict(suite.attrib), 'cases': cases}))
`;

function read(suite: string, cases: readonly JunitCase[]): Read {
  return JSON.parse(must(['python3', '-c', READER], { input: renderJunit(suite, cases) })) as Read;
}

test('counts, places, failures and what was skipped', () => {
  const { counts, cases } = read('/etc/sluice/rules.yaml', [
    { name: 'the ruleset has no errors' },
    { name: 'allow tcp from any to any port 22', file: 'rules.yaml', line: 7 },
    {
      name: 'deny udp from any to any',
      file: 'rules.yaml',
      line: 8,
      failure: { message: 'no', text: 'line 1\nline 2' },
    },
    { name: 'allow 1/tcp', skipped: 'too many' },
  ]);
  expect(counts).toEqual({ name: '/etc/sluice/rules.yaml', tests: '4', failures: '1', errors: '0', skipped: '1' });
  expect(cases.map(({ kind, message, text }) => [kind, message, text])).toEqual([
    [null, '', ''],
    [null, '', ''],
    ['failure', 'no', 'line 1\nline 2'],
    ['skipped', 'too many', ''],
  ]);
  const { name, classname, file, line } = cases[1].attributes;
  expect({ name, classname, file, line }).toEqual({
    ...{ name: 'allow tcp from any to any port 22', classname: '/etc/sluice/rules.yaml' },
    ...{ file: 'rules.yaml', line: '7' },
  });
});

test('cases of one name are told apart', () => {
  const { cases } = read('r', [{ name: 'a' }, { name: 'b' }, { name: 'a' }, { name: 'a' }]);
  expect(cases.map(({ attributes }) => attributes.name)).toEqual(['a', 'b', 'a (2)', 'a (3)']);
});

test('nothing in a ruleset ends an attribute, an element or the document', () => {
  const hostile = "\"/><x a='1'>&lt;]]>&#0;\u0000\u0001\u001b[31m\ufffe\uffff\ud800 \u2028\u202e é 漢 \u{1f600} \r end";
  const { cases } = read(hostile, [
    { name: hostile, failure: { message: `${hostile}\n\ttwo`, text: `${hostile}\n\ttwo` } },
  ]);
  const shown =
    "\"/><x a='1'>&lt;]]>&#0;\\x00\\x01\\x1b[31m\ufffd\ufffd\\ud800 \\u2028\\u202e é 漢 \u{1f600} \\x0d end";
  expect(cases[0].attributes).toMatchObject({ name: shown, classname: shown });
  expect(cases[0].message).toBe(`${shown}\n\ttwo`);
  expect(cases[0].text).toBe(`${shown}\n\ttwo`);
});
