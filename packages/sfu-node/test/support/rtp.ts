import type { RequestInput } from '@meridian/protocol';

let nextSsrc = 10_000_000;
let nextMid = 0;

type RtpParameters = RequestInput<'publish'>['rtpParameters'];

/** What a browser sends for a microphone. */
export function opusParameters(): RtpParameters {
  return {
    mid: String(nextMid++),
    codecs: [
      {
        mimeType: 'audio/opus',
        payloadType: 111,
        clockRate: 48_000,
        channels: 2,
        parameters: { minptime: 10, useinbandfec: 1 },
        rtcpFeedback: [],
      },
    ],
    encodings: [{ ssrc: nextSsrc++ }],
    rtcp: { cname: 'test-cname', reducedSize: true },
  };
}

/** What a browser sends for a camera in VP8, one layer. */
export function vp8Parameters(): RtpParameters {
  return {
    mid: String(nextMid++),
    codecs: [
      {
        mimeType: 'video/VP8',
        payloadType: 96,
        clockRate: 90_000,
        parameters: {},
        rtcpFeedback: [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }, { type: 'ccm', parameter: 'fir' }],
      },
      { mimeType: 'video/rtx', payloadType: 97, clockRate: 90_000, parameters: { apt: 96 }, rtcpFeedback: [] },
    ],
    encodings: [{ ssrc: nextSsrc++, rtx: { ssrc: nextSsrc++ } }],
    rtcp: { cname: 'test-cname', reducedSize: true },
  };
}
