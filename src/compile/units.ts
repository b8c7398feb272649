/** Units in which an image is laid out. */

/** Bytes of the image map are a multiple of this. */
export const PAGE_BYTES = 4096;
/** A slot in bytes. */
export const SLOT_BYTES = 8;
/** Slots of a cache line, and its bytes. */
export const LINE_SLOTS = 8;
export const LINE_BYTES = LINE_SLOTS * SLOT_BYTES;
