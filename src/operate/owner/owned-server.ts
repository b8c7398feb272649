import type { OwnerAccess } from '../../model/owner-access';
import type { Server } from '../../model/ruleset';

/** A server whose rows somebody may change through its socket. */
export type OwnedServer = Server & { readonly owner: OwnerAccess };
