import type { OwnerAccess } from '../../model/owner-access';
import type { Server } from '../../model/ruleset';

/** Where a server with an owner is, and who he is: of its rows nothing. */
export type OwnedPlace = Pick<OwnedServer, 'name' | 'owner' | 'addresses' | 'ports'>;

/** A server whose rows somebody may change through its socket. */
export type OwnedServer = Server & { readonly owner: OwnerAccess };
