import { Epoch, NodeId, type NotificationData, Region, SessionId } from '@meridian/protocol';

/** A welcome as a node says it, of some epoch. */
export function welcome(epoch: number): NotificationData<'welcome'> {
  return {
    sessionId: SessionId.parse('ann'),
    nodeId: NodeId.parse('ams-1'),
    region: Region.parse('eu-west'),
    epoch: Epoch.parse(epoch),
    routerRtpCapabilities: {},
    pingEveryMs: 3_000,
    deadAfterMs: 9_000,
    maxFrameBytes: 100_000,
    resumed: false,
    resumeWindowMs: 15_000,
  };
}
