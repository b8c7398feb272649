/**
 * What the verifier of Linux 6.1, the oldest kernel sluice supports, refuses and newer ones take, as far as it shows in
 * the bytes of an object alone:
 *
 * - control flow: a plain instruction that falls through into the head of a loop which is being followed ("back-edge
 *   from insn"; only a jump may lead back), and instructions that no path reaches. Its walk is check_cfg() of
 *   kernel/bpf/verifier.c: depth first, the next instruction before the target of a jump;
 * - any call but the unlock while a spin lock is held, functions of the program's own included;
 * - frames of a chain of calls that together exceed 512 bytes: each counts in steps of 32 there, of 16 in newer ones;
 * - an index whose copy on the stack is older than the look at its bound, and is what is scaled after it: a copy does not
 *   learn what its register does;
 * - instructions of later instruction sets and helpers that 6.1 does not have.
 *
 * Code that a switch removes counts here and not there. What it cannot see is everything that depends on values: how many instructions the verifier walks, and what it knows
 * of a register. For that there are the verifier budget's hard limit and the virtual machine (scripts/vm.js).
 */
import { type BpfFunction, CALL_FUNCTION, CALL_HELPER, type Instruction } from './bpf-object';

/** include/uapi/linux/bpf.h */
const CLASS = { LD: 0, LDX: 1, ST: 2, STX: 3, ALU: 4, JMP: 5, JMP32: 6, ALU64: 7 };
const OPERATION = { JA: 0, DIV: 3, CALL: 8, EXIT: 9, MOD: 9, MOV: 11, END: 13, JCOND: 14 };
const MODE = { ATOMIC: 6, MEMSX: 4 };
const LOAD_64 = 0x18;
const HELPER = { SPIN_LOCK: 93, SPIN_UNLOCK: 94 };
/** bpf_user_ringbuf_drain: the last of ___BPF_FUNC_MAPPER in 6.1. */
const LAST_HELPER = 209;
/** Atomic operations of 6.1: add, or, and, xor (each with and without fetch), exchange, compare and exchange. */
const ATOMICS = new Set([0x00, 0x01, 0x40, 0x41, 0x50, 0x51, 0xa0, 0xa1, 0xe1, 0xf1]);

export interface Refusal {
  /** Index of the instruction within its function. */
  readonly at: number;
  readonly why: string;
}

/** What 6.1 would refuse in a function, by place. */
export function findRefusals(instructions: readonly Instruction[]): Refusal[] {
  const found = [
    ...refusedFlow(instructions),
    ...refusedUnderLock(instructions),
    ...refusedCopies(instructions),
    ...unknown(instructions),
  ];
  return found.sort((a, b) => a.at - b.at);
}

/** MAX_BPF_STACK. */
export const STACK_LIMIT = 512;
/** What check_max_stack_depth() rounds each frame up to. */
const STACK_STEP = 32;
const FRAME_POINTER = 10;

/** The chain of calls from a function that takes most stack: names, and bytes as 6.1 counts them. */
export function deepestStack(functions: readonly BpfFunction[], from: string): { bytes: number; chain: string[] } {
  const one = functions.find(({ name }) => name === from)!;
  const own = Math.ceil(Math.max(frameBytes(one.instructions), 1) / STACK_STEP) * STACK_STEP;
  const below = one.callees
    .map((name) => deepestStack(functions, name))
    .reduce((a, b) => (b.bytes > a.bytes ? b : a), { bytes: 0, chain: [] });
  return { bytes: own + below.bytes, chain: [from, ...below.chain] };
}

/** Bytes below the frame pointer that a function reaches: by itself, or by a copy of it that is lowered. */
export function frameBytes(instructions: readonly Instruction[]): number {
  const MOVE = 0xbf;
  const ADD_CONSTANT = 0x07;
  return instructions.reduce((deepest, instruction, at) => {
    const { code, destination, source, offset, immediate } = instruction;
    const kind = classOf(instruction);
    if (kind === CLASS.LDX && source === FRAME_POINTER) return Math.max(deepest, -offset);
    if ((kind === CLASS.STX || kind === CLASS.ST) && destination === FRAME_POINTER) return Math.max(deepest, -offset);
    const before = instructions[at - 1];
    const lowered = code === ADD_CONSTANT && before?.code === MOVE && before.source === FRAME_POINTER;
    return lowered && before.destination === destination ? Math.max(deepest, -immediate) : deepest;
  }, 0);
}

const classOf = ({ code }: Instruction): number => code & 7;
const operationOf = ({ code }: Instruction): number => code >> 4;

function isJumpClass(instruction: Instruction): boolean {
  return classOf(instruction) === CLASS.JMP || classOf(instruction) === CLASS.JMP32;
}

const isCall = (instruction: Instruction): boolean =>
  classOf(instruction) === CLASS.JMP && operationOf(instruction) === OPERATION.CALL;

/** Where a function goes on after an instruction: `[target, by a jump]`, in the order the verifier follows. */
function successors(instruction: Instruction, at: number): [number, boolean][] {
  if (!isJumpClass(instruction) || isCall(instruction)) return [[at + 1, false]];
  if (operationOf(instruction) === OPERATION.EXIT) return [];
  const target = at + 1 + instruction.offset;
  if (operationOf(instruction) === OPERATION.JA) return [[target, true]];
  // the way past a conditional jump counts as part of it
  return [
    [at + 1, true],
    [target, true],
  ];
}

function refusedFlow(instructions: readonly Instruction[]): Refusal[] {
  const found: Refusal[] = [];
  /** Undefined: not seen; else whether the walk still stands below it. */
  const open: (boolean | undefined)[] = [true];
  const stack = [{ at: 0, next: 0 }];
  while (stack.length > 0) {
    const top = stack[stack.length - 1];
    const onward = successors(instructions[top.at], top.at)[top.next++];
    if (!onward) {
      open[top.at] = false;
      stack.pop();
      continue;
    }
    const [target, jump] = onward;
    if (target < 0 || target >= instructions.length) {
      found.push({ at: top.at, why: `leads out of the function, to ${target}` });
    } else if (open[target] === undefined) {
      open[target] = true;
      stack.push({ at: target, next: 0 });
    } else if (open[target] && !jump) {
      found.push({ at: top.at, why: `back-edge from insn ${top.at} to ${target}: no jump` });
    }
  }
  instructions.forEach((_, at) => {
    if (open[at] === undefined) found.push({ at, why: 'unreachable' });
  });
  return found;
}

/** Follows every path from each lock to its unlock. */
function refusedUnderLock(instructions: readonly Instruction[]): Refusal[] {
  const found = new Map<number, Refusal>();
  const calls = (at: number, helper: number): boolean =>
    isCall(instructions[at]) && instructions[at].source === CALL_HELPER && instructions[at].immediate === helper;
  const held = new Set<number>();
  const pending = instructions.flatMap((_, at) => (calls(at, HELPER.SPIN_LOCK) ? [at + 1] : []));
  while (pending.length > 0) {
    const at = pending.pop()!;
    if (held.has(at) || at >= instructions.length) continue;
    held.add(at);
    if (calls(at, HELPER.SPIN_UNLOCK)) continue;
    if (isCall(instructions[at])) found.set(at, { at, why: 'a call while a lock is held' });
    if (isJumpClass(instructions[at]) && operationOf(instructions[at]) === OPERATION.EXIT)
      found.set(at, { at, why: 'an exit while a lock is held' });
    pending.push(...successors(instructions[at], at).map(([target]) => target));
  }
  return [...found.values()];
}

/** Instructions that a copy is followed over, past conditional jumps: clang puts it by just before it compares. */
const COPY_REACH = 24;

function refusedCopies(instructions: readonly Instruction[]): Refusal[] {
  const [STORE, LOAD, SHIFT_LEFT] = [0x7b, 0x79, 0x67];
  const bounds = new Set([0x2, 0x3, 0xa, 0xb]); // >, >=, <, <= without sign
  return instructions.flatMap((store, from) => {
    if (store.code !== STORE || store.destination !== FRAME_POINTER) return [];
    let looked = false;
    for (let at = from + 1; at < Math.min(from + COPY_REACH, instructions.length); at++) {
      const one = instructions[at];
      const writes = classOf(one) === CLASS.STX && one.destination === FRAME_POINTER && one.offset === store.offset;
      if (writes || isCall(one) || (isJumpClass(one) && [OPERATION.JA, OPERATION.EXIT].includes(operationOf(one))))
        break;
      if (isJumpClass(one) && bounds.has(operationOf(one)) && one.destination === store.source) looked = true;
      else if (!looked && !isJumpClass(one) && classOf(one) !== CLASS.STX && one.destination === store.source) break;
      const next = instructions[at + 1];
      const scaled = next?.code === SHIFT_LEFT && next.destination === one.destination;
      if (looked && one.code === LOAD && one.source === FRAME_POINTER && one.offset === store.offset && scaled)
        return [{ at, why: `of the copy made at ${from}, before its bound was looked at, no bound is known` }];
    }
    return [];
  });
}

function unknown(instructions: readonly Instruction[]): Refusal[] {
  return instructions.flatMap((instruction, at) => {
    if (at > 0 && instructions[at - 1].code === LOAD_64) return [];
    const why = isCall(instruction) ? unknownCall(instruction) : unknownInstruction(instruction);
    return why === undefined ? [] : [{ at, why }];
  });
}

function unknownCall({ source, immediate }: Instruction): string | undefined {
  if (source === CALL_FUNCTION) return undefined;
  if (source !== CALL_HELPER) return `a call of kind ${source}`;
  return immediate > LAST_HELPER ? `helper ${immediate}: the last one of Linux 6.1 is ${LAST_HELPER}` : undefined;
}

/** The names are those of the instruction set's version 4 and of what came after it. */
function unknownInstruction(instruction: Instruction): string | undefined {
  const { code, offset, immediate } = instruction;
  const [kind, operation, mode] = [classOf(instruction), operationOf(instruction), code >> 5];
  switch (kind) {
    case CLASS.ALU:
    case CLASS.ALU64:
      if (operation === OPERATION.MOV && offset !== 0) return 'a sign-extending move (-mcpu=v4)';
      if ((operation === OPERATION.DIV || operation === OPERATION.MOD) && offset !== 0)
        return 'a signed division (-mcpu=v4)';
      if (operation === OPERATION.END && kind === CLASS.ALU64) return 'an unconditional byte swap (-mcpu=v4)';
      return undefined;
    case CLASS.JMP:
    case CLASS.JMP32:
      if (operation === OPERATION.JA && kind === CLASS.JMP32) return 'a long jump (-mcpu=v4)';
      return operation === OPERATION.JCOND ? 'a may_goto loop' : undefined;
    case CLASS.LDX:
      return mode === MODE.MEMSX ? 'a sign-extending load (-mcpu=v4)' : undefined;
    case CLASS.STX:
      return mode === MODE.ATOMIC && !ATOMICS.has(immediate) ? 'an atomic load or store' : undefined;
    default:
      return undefined;
  }
}
