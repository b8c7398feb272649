/** What the built library exports, read from its declarations by the TypeScript compiler. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

export interface ApiExport {
  readonly name: string;
  /** The declaration as the package ships it, without comments and private members. */
  readonly declaration: string;
  /** Its documentation, empty where there is none. */
  readonly documentation: string;
}

const ENTRY = join(__dirname, '../../dist/index.d.ts');

/** Every export of dist/index.d.ts, by name. */
export function readApi(): ApiExport[] {
  if (!existsSync(ENTRY)) throw new Error('dist is missing: npm run build');
  const program = ts.createProgram([ENTRY], {
    module: ts.ModuleKind.Node20,
    target: ts.ScriptTarget.ES2023,
    types: ['node'],
    skipLibCheck: true,
  });
  const checker = program.getTypeChecker();
  const entry = checker.getSymbolAtLocation(program.getSourceFile(ENTRY)!)!;
  return checker
    .getExportsOfModule(entry)
    .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol))
    .map((symbol) => ({
      name: symbol.name,
      declaration: print(symbol.declarations![0]),
      documentation: ts.displayPartsToString(symbol.getDocumentationComment(checker)),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

const printer = ts.createPrinter({ removeComments: true });

function print(declaration: ts.Declaration): string {
  const node = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
  return printer
    .printNode(ts.EmitHint.Unspecified, node, declaration.getSourceFile())
    .replace(/^export (declare )?/, '')
    .split('\n')
    .filter((line) => !/^ +(private |#private)/.test(line))
    .join('\n');
}
