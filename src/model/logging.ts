/** Words of logging (SPEC §7): those of ufw. */

/** From nothing to everything. */
export const LOG_LEVELS = ['off', 'low', 'medium', 'high', 'full'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What a row asks for: the first packet of each connection, or every packet. */
export type RowLog = 'new' | 'all';

/** What an event is about: the words in the brackets of its line. */
export const LOG_WORDS = ['BLOCK', 'ALLOW', 'LIMIT BLOCK', 'LIMIT', 'AUDIT', 'AUDIT INVALID'] as const;
export type LogWord = (typeof LOG_WORDS)[number];
