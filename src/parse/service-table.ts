import { type Context, placeOf, termOf, textsOf } from './context';
import type { DocumentNode } from './document-node';
import { at, quote, refuse } from './finding';
import { makeNames, nameProblem } from './names';
import { parsePorts } from './port';
import { PORT_DEFAULT_PROTOCOLS } from '../model/protocol';
import { BUILTIN_SERVICES, type Service } from './services';

/** Reads `services:` on top of the table. A service is a port, a range or a list, with or without a protocol. */
export function readServices(node: DocumentNode | undefined, context: Context): ReadonlyMap<string, Service> {
  const services = new Map(BUILTIN_SERVICES);
  if (node?.kind !== 'map') return services;
  const builtin = makeNames();
  for (const { key, value } of node.entries) {
    const name = key.text;
    const place = placeOf(context, key);
    const problem = nameProblem(name);
    if (name.toLowerCase() === 'ssh') {
      const message = '"ssh" is the SSH port of the section and cannot be named again';
      context.sink(at(place, refuse('parse/name', message, 'write ssh: { port: 2222, from: anyone } under inbound')));
    } else if (problem !== undefined) {
      context.sink(at(place, refuse('parse/name', `${quote(name)} cannot name a service: ${problem}`)));
    }
    const terms = textsOf(value).map(termOf);
    if (value.kind === 'list' && value.items.length === 0) {
      context.sink(
        at(place, refuse('parse/port', `the service ${quote(name)} has no port`, `write ${name}: 9100/tcp`)),
      );
    }
    // Even one that was not understood is known from here on, so that rows naming it say nothing more.
    const clause = terms.length > 0 ? parsePorts(terms, builtin, context.sink) : undefined;
    services.set(name, { ports: clause?.ranges ?? [], protocols: clause?.protocols ?? PORT_DEFAULT_PROTOCOLS });
  }
  return services;
}
