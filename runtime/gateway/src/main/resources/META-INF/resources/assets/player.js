// Plays a session's HLS in a <video>; comes back by itself when the gateway was away.
const RETRY = { maxLoadTimeMs: 20000, maxTimeToFirstByteMs: 15000, timeoutRetry: { maxNumRetry: 20, retryDelayMs: 300, maxRetryDelayMs: 2000 }, errorRetry: { maxNumRetry: 200, retryDelayMs: 500, maxRetryDelayMs: 2000, backoff: "linear" } };

export function play(video, base, { onSegment, onRefused } = {}) {
  const source = base + "index.m3u8";
  if (!window.Hls?.isSupported()) {
    video.src = source;
    return { stop() { video.removeAttribute("src"); video.load(); } };
  }
  let hls;
  let timer;
  let stopped = false;
  function start() {
    hls = new Hls({
      enableWorker: false,
      liveSyncDuration: 2.2,
      liveMaxLatencyDuration: 12,
      maxLiveSyncPlaybackRate: 1.06,
      maxBufferLength: 12,
      backBufferLength: 20,
      manifestLoadPolicy: { default: RETRY },
      playlistLoadPolicy: { default: RETRY },
      fragLoadPolicy: { default: RETRY },
    });
    hls.on(Hls.Events.FRAG_CHANGED, (_, { frag }) => onSegment?.(frag));
    hls.on(Hls.Events.ERROR, (_, error) => {
      if (error.response?.code === 401) {
        stop();
        onRefused?.();
      } else if (error.fatal && error.type === Hls.ErrorTypes.MEDIA_ERROR) {
        hls.recoverMediaError();
      } else if (error.fatal) {
        hls.destroy();
        clearTimeout(timer);
        timer = setTimeout(() => stopped || start(), 2000);
      }
    });
    hls.loadSource(source);
    hls.attachMedia(video);
    video.play?.().catch(() => {});
  }
  function stop() {
    stopped = true;
    clearTimeout(timer);
    hls?.destroy();
  }
  start();
  return { stop };
}
