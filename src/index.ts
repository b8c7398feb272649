/**
 * The library's face. Parsing, analysing, evaluating and compiling are pure functions over plain data and need neither
 * Linux nor privilege; `Firewall` enforces.
 *
 * ```ts
 * const { ruleset, diagnostics } = parseRuleset(text, { file: 'rules.yaml' });
 * if (!ruleset) throw new Error(renderDiagnostics(diagnostics, { readSource: () => text }));
 * const decision = evaluate(ruleset, frame);
 * const image = compile(ruleset);
 * ```
 */

// text → ruleset, and what is to be said about it
export { parseRuleset, type ParseOptions, type ParseResult } from './parse/parse';
export { rulesetJsonSchema } from './parse/schema';
export { checkRuleset, hasErrors, type Checked, type CheckOptions } from './operate/check';
export type { Diagnostic, DiagnosticNote, Severity } from './diagnostics/diagnostic';
export { CODES, type Code } from './diagnostics/codes';
export { renderDiagnostics, summarise, type ReadSource, type RenderOptions } from './diagnostics/render';
export { diagnosticsToJson, type JsonDiagnostic, type JsonPlace } from './diagnostics/json';

// the model and its meaning
export type {
  AddressSet,
  AttachMode,
  Direction,
  Expectation,
  FragmentMode,
  Guard,
  GuardRule,
  IcmpMode,
  Rule,
  Ruleset,
  Section,
  SourceRange,
  SshRow,
  WrittenForm,
} from './model/ruleset';
export { ANY, type AddressMatch, type Any, type IcmpType, type Match, type PortMatch } from './model/match';
export { formatPrefix, type AddressWords, type Family, type Prefix } from './model/prefix';
export type { PortRange } from './model/port-range';
export type { FlowKey, FragmentKind, FragmentPart, Packet, Quote } from './model/packet';
export { decode, type Decoded } from './model/decode';
export type { EchoRates, EchoState } from './model/echo';
export type { Flows } from './model/flow';
export type { FirstFragments } from './model/fragment';
export type { GivenState } from './model/given-state';
export { evaluate, evaluatePacket, type Decision } from './model/evaluate';
export type { MatchField } from './model/match-packet';
export { rulesetAt, type NamedRule } from './model/until';
export { rulesetReturned, type GuardBefore, type SectionBefore, type Trial } from './model/trial';
export { REASON_WORDS, type Reason } from './model/reason';
export { OUT_TIERS, TIERS, type Action, type OutTier, type Tier, type Verdict } from './model/verdict';

// proofs about a ruleset
export { analyse } from './analyse/analyse';
export { findDifference, type Difference, type VerdictChange } from './analyse/difference';
export { explainByModel, type Explanation, type ExplainStep } from './analyse/explain';
export { findLockout, type LiveConnection, type LockoutFinding } from './analyse/lockout';

// ruleset → image
export { compile } from './compile/compile';
export { CompileMemory } from './compile/compile-memory';
export { ParseMemory } from './parse/parse-memory';
export { CheckMemory } from './operate/check-memory';
export { CapacityError } from './compile/capacity';
export { interpretFrame } from './compile/interpret';
export type { Image, ImageFeatures, ImageStats, RankEntry, RowTier } from './compile/image';

// captures
export { readCapture, writePcap, type Capture, type CapturedFrame } from './observe/pcap';

// the running firewall
export { Firewall, type ApplyOptions, type BanOptions, type FirewallApplied } from './operate/firewall';
export type { Ban } from './operate/ban-file';
export { BanRefusedError, type Banned, type BanOutcome } from './operate/ban-sources';
export type { BanList, UnbanOutcome } from './operate/bans';
export type { EndedRules } from './operate/end-rules';
export { KeepReachableError, LockoutError, type ApplyOutcome } from './operate/apply';
export type { Seen } from './operate/seen';
export type { FullExplanation } from './operate/explain';
export { planRuleset, type RulesetPlan } from './operate/plan';
export { currentRevision, findRevision, type History, type Revision, type RevisionOutcome } from './operate/history';
export type { Author, ChangeNote, Intent } from './operate/change-note';
export type { SectionState } from './operate/section-state';
export { planChange, type ChangePlan } from './operate/change-plan';
export { differenceToJson, renderDifference } from './operate/render-difference';
export { renderMetrics, type MetricsOptions } from './observe/metrics';
export {
  serverPage,
  serversOf,
  type PageFacts,
  type Refusal,
  type ServerPage,
  type ServerSection,
} from './observe/server-page';
export type {
  Snapshot,
  SnapshotReason,
  SnapshotRoom,
  SnapshotRow,
  SnapshotSection,
  SnapshotShare,
  SnapshotTable,
} from './observe/snapshot';
export {
  KernelError,
  PrivilegeError,
  RefusedError,
  SluiceError,
  UnsupportedError,
  VerifierError,
} from './kernel/errors';
