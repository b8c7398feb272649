/** The text of one section, as `section-text.ts` has it: that is loaded by the first who asks, since the YAML library costs every command 20 ms. */
import type * as SectionText from './section-text';

function loaded(): typeof SectionText {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- an import would load it with this file
  return require('./section-text') as typeof SectionText;
}

/** As `takeText` of `section-text.ts`. */
export function takeText(...args: Parameters<typeof SectionText.takeText>): ReturnType<typeof SectionText.takeText> {
  return loaded().takeText(...args);
}

/** As `putText` of `section-text.ts`. */
export function putText(...args: Parameters<typeof SectionText.putText>): ReturnType<typeof SectionText.putText> {
  return loaded().putText(...args);
}
