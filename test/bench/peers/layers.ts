/**
 * How nftables maps can keep first match: its interval maps refuse elements that overlap, so overlapping rules stand in
 * different maps, which are tried in turn. No tool does this; it is the best that nftables can be given.
 */
import { maskWord, type Prefix } from '../../../src/model/prefix';
import { type PlainRule, protocolsOf } from '../../support/generate/plain-rule';

/** Rules by layer; every rule stands behind all earlier rules that it overlaps. */
export function layersOf(rules: readonly PlainRule[]): PlainRule[][] {
  const layers: PlainRule[][] = [];
  const layerOf = new Int32Array(rules.length);
  rules.forEach((rule, i) => {
    let layer = 0;
    for (let j = 0; j < i; j++) if (layerOf[j] >= layer && overlap(rules[j], rule)) layer = layerOf[j] + 1;
    layerOf[i] = layer;
    (layers[layer] ??= []).push(rule);
  });
  return layers;
}

function overlap(a: PlainRule, b: PlainRule): boolean {
  return (
    prefixesOverlap(a.to, b.to) &&
    prefixesOverlap(a.from, b.from) &&
    a.toPorts[0] <= b.toPorts[1] &&
    b.toPorts[0] <= a.toPorts[1] &&
    a.fromPorts[0] <= b.fromPorts[1] &&
    b.fromPorts[0] <= a.fromPorts[1] &&
    protocolsOverlap(a, b)
  );
}

function prefixesOverlap(a: Prefix, b: Prefix): boolean {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < a.words.length; i++) if (((a.words[i] ^ b.words[i]) & maskWord(length, i)) !== 0) return false;
  return true;
}

function protocolsOverlap(a: PlainRule, b: PlainRule): boolean {
  if (a.protocol !== null && b.protocol !== null) return a.protocol === b.protocol;
  const [left, right] = [protocolsOf(a), protocolsOf(b)];
  return !left || !right || left.some((protocol) => right.includes(protocol));
}
