/**
 * Runs in the page before any of its scripts: sends its WebSockets, probes and ICE checks to other
 * loopback ports than the servers announce, so that they pass through delaying relays. TCP candidates
 * are dropped: the detour for media is UDP only.
 */
export function detourScript(ports: {
  tcp: Readonly<Record<number, number>>;
  udp: Readonly<Record<number, number>>;
}): string {
  return `(() => {
  const tcp = ${JSON.stringify(ports.tcp)};
  const udp = ${JSON.stringify(ports.udp)};
  const detour = (address) => {
    const url = new URL(address, location.href);
    const port = tcp[url.port];
    if (port !== undefined) url.port = String(port);
    return url.href;
  };
  window.WebSocket = new Proxy(window.WebSocket, {
    construct: (target, [address, ...rest]) => new target(detour(address), ...rest),
  });
  const fetchNative = window.fetch;
  window.fetch = (input, init) => fetchNative(typeof input === 'string' || input instanceof URL ? detour(input) : input, init);
  const setRemote = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function (description) {
    const lines = description.sdp.split('\\r\\n').flatMap((line) => {
      if (!line.startsWith('a=candidate:')) return [line];
      const fields = line.split(' ');
      if (fields[2].toLowerCase() === 'tcp') return [];
      fields[5] = String(udp[fields[5]] ?? fields[5]);
      return [fields.join(' ')];
    });
    return setRemote.call(this, { type: description.type, sdp: lines.join('\\r\\n') });
  };
})();`;
}
