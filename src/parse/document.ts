/** YAML (or JSON) text → its tree, by the quick reader where that takes it. */
import type { DocumentNode } from './document-node';
import type { Sink } from './finding';
import type { SourceFile } from './locate';
import { readPlainDocument } from './plain-document';

/** Reads the document; null when its syntax is broken. An empty one is an empty map. */
export function readDocument(file: SourceFile, sink: Sink): DocumentNode | null {
  return readPlainDocument(file) ?? anyDocument().readAnyDocument(file, sink);
}

/** Loaded by the first text that needs it: the library costs every command 20 ms. */
function anyDocument(): typeof import('./yaml-document') {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- an import would load it with this file
  return require('./yaml-document') as typeof import('./yaml-document');
}
