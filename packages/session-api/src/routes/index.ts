import type { Route } from '../http/route.ts';
import { healthz, readyz } from './operations/health.ts';
import { jwks } from './operations/jwks.ts';
import { metricsEndpoint } from './operations/metrics.ts';
import { acceptInvitation } from './rooms/accept-invitation.ts';
import { createRoom } from './rooms/create.ts';
import { deleteRoom } from './rooms/delete.ts';
import { invite } from './rooms/invite.ts';
import { listRooms } from './rooms/list.ts';
import { members } from './rooms/members.ts';
import { messages } from './rooms/messages.ts';
import { readRoom } from './rooms/read.ts';
import { removeMember } from './rooms/remove-member.ts';
import { revokeInvitation } from './rooms/revoke-invitation.ts';
import { updateRoom } from './rooms/update.ts';
import { createSession } from './sessions/create.ts';
import { joinRoom } from './sessions/join.ts';
import { nodes } from './sessions/nodes.ts';
import { renewSession } from './sessions/renew.ts';
import { changePassword } from './users/change-password.ts';
import { guest } from './users/guest.ts';
import { login } from './users/login.ts';
import { logoutEverywhere } from './users/logout-everywhere.ts';
import { me } from './users/me.ts';
import { register } from './users/register.ts';
import { updateMe } from './users/update-me.ts';

/** Every route, in the order of the OpenAPI document. */
export const routes: readonly Route[] = [
  register,
  login,
  guest,
  me,
  updateMe,
  changePassword,
  logoutEverywhere,
  createRoom,
  listRooms,
  readRoom,
  updateRoom,
  deleteRoom,
  invite,
  revokeInvitation,
  acceptInvitation,
  members,
  removeMember,
  messages,
  nodes,
  createSession,
  renewSession,
  joinRoom,
  jwks,
  healthz,
  readyz,
  metricsEndpoint,
];
