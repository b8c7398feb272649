/** The kernel verifier's log: the lines that tell why it refused, and its figures when it did not. */

/** Lines worth showing, and how many were left out. */
export interface VerifierLines {
  readonly lines: readonly string[];
  readonly omitted: number;
}

/** How many instructions before the reason are kept. */
const INSTRUCTIONS = 3;

const STATISTICS = /^(processed \d+ insns|verification time |stack depth |mark_precise: |BPF program is too large)/;
/** `12: (79) r1 = *(u64 *)(r10 -8)`, with or without the state after `;`. */
const INSTRUCTION = /^\d+: \([0-9a-f]{2}\) /;
/** Register states (`; R1_w=ctx()`, `5: R0=scalar() R10=fp0`, `from 3 to 9: R0=…`), function heads, empty lines. */
const STATE = /^(\d+: R\d|; R\d|from \d+ to \d+|R\d+(_\w+)?=|cur state: |old state: |caller:|callee:|func#\d|\d+: <|$)/;
/** `; if (data + 14 > data_end) @ program.bpf.c:12`: the source of what follows. */
const SOURCE = /^; /;
const MARKERS = /^(0: R1=|Validating |Func#\d+ |verified|propagating |regs=|last_idx |parent )/;

/**
 * Keeps the reason (the last lines that are neither instruction nor state nor statistics), the instructions that led
 * to it and their source line. The log is the kernel's text: its shape differs by version, so that where nothing is
 * recognised the end of the log is kept.
 */
export function selectVerifierLines(log: string): VerifierLines {
  const all = log.split('\n').map((line) => line.trimEnd());
  const lines = all.filter((line) => line !== '');
  const telling = lines.filter((line) => !STATISTICS.test(line));
  const end = telling.findLastIndex((line) => !isContext(line));
  if (end < 0) return keep(telling.slice(-INSTRUCTIONS), lines.length);
  let start = end;
  while (start > 0 && !isContext(telling[start - 1]) && end - start < 4) start--;
  const before: string[] = [];
  let instructions = 0;
  let source: string | undefined;
  for (let i = start - 1; i >= 0 && instructions < INSTRUCTIONS; i--) {
    if (INSTRUCTION.test(telling[i])) {
      before.unshift(telling[i]);
      instructions++;
    } else if (SOURCE.test(telling[i]) && !STATE.test(telling[i])) {
      before.unshift(telling[i]);
      source ??= telling[i];
    }
  }
  if (source === undefined) {
    source = telling.slice(0, start).findLast((line) => SOURCE.test(line) && !STATE.test(line));
    if (source !== undefined) before.unshift(source);
  }
  return keep([...before, ...telling.slice(start, end + 1)], lines.length);
}

function isContext(line: string): boolean {
  return INSTRUCTION.test(line) || STATE.test(line) || SOURCE.test(line) || MARKERS.test(line);
}

function keep(lines: readonly string[], total: number): VerifierLines {
  return { lines, omitted: total - lines.length };
}

/** Figures of a program the verifier took. */
export interface VerifierFigures {
  /** Instructions it processed, over all paths. */
  readonly instructions: number;
  readonly peakStates: number;
}

/** Reads `processed N insns (limit …) … peak_states M …`; null where the log has no such line. */
export function readVerifierFigures(log: string): VerifierFigures | null {
  const found = /processed (\d+) insns .*?peak_states (\d+)/.exec(log);
  return found === null ? null : { instructions: Number(found[1]), peakStates: Number(found[2]) };
}
