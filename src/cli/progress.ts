/** Says at a terminal what a command is at, where that takes a while. */
import type { CheckStep } from '../operate/check';
import type { Output } from './output';

/** A text, or as many rules, that take longer than a second. */
const LONG_BYTES = 512 * 1024;
const LONG_RULES = 10_000;

/** Shows each step of checking a ruleset. */
export function showStep(output: Output): (step: CheckStep) => void {
  return (step) => {
    if (step.step === 'read') output.progress(`reading ${step.file} …`, step.bytes >= LONG_BYTES);
    else output.progress(`${WORDS[step.step]} ${step.rules} rules …`, step.rules >= LONG_RULES);
  };
}

const WORDS: Readonly<Record<Exclude<CheckStep['step'], 'read'>, string>> = {
  analyse: 'analysing',
  compile: 'compiling',
};
