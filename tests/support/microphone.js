// Runs before the page: a microphone that is fed by the test, and a recorder of the assistant's <audio> element.
(() => {
  const RATE = 48000;
  let context;
  let microphone;
  const engine = () => (context ??= new AudioContext({ sampleRate: RATE }));
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const real = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
  if (!real) return;

  navigator.mediaDevices.getUserMedia = async (wanted) => {
    if (!wanted?.audio) return real(wanted);
    await real(wanted).then((stream) => stream.getTracks().forEach((track) => track.stop()));
    microphone ??= engine().createMediaStreamDestination();
    return microphone.stream.clone();
  };

  window.__microphone = {
    async say(wav) {
      microphone ??= engine().createMediaStreamDestination();
      const source = engine().createBufferSource();
      source.buffer = await engine().decodeAudioData(bytes(wav).buffer);
      source.connect(microphone);
      const ended = new Promise((resolve) => source.addEventListener("ended", resolve, { once: true }));
      source.start();
      await ended;
    },
  };

  let chunks = [];
  let ears;
  let following;

  // The page may replace the element or its track at any time: the newest live one is recorded.
  const newest = (voice) => {
    const streams = [...document.querySelectorAll(voice)].map((element) => element.srcObject).filter(Boolean);
    const live = (track) => track.readyState === "live";
    return streams.flatMap((stream) => stream.getAudioTracks().filter(live)).at(-1);
  };
  const tap = (track) => {
    ears?.source.disconnect();
    ears?.node.disconnect();
    const source = engine().createMediaStreamSource(new MediaStream([track]));
    const node = engine().createScriptProcessor(4096, 1, 1);
    node.onaudioprocess = (event) => {
      const samples = event.inputBuffer.getChannelData(0);
      chunks.push(Int16Array.from(samples, (v) => Math.max(-1, Math.min(1, v)) * 32767));
    };
    source.connect(node);
    node.connect(engine().destination);
    ears = { track, source, node };
  };

  window.__ears = {
    listen(voice) {
      chunks = [];
      const follow = () => {
        const track = newest(voice);
        if (track && track !== ears?.track) tap(track);
      };
      follow();
      clearInterval(following);
      following = setInterval(follow, 20);
    },
    take() {
      let text = "";
      for (const chunk of chunks) {
        const view = new Uint8Array(chunk.buffer);
        for (let i = 0; i < view.length; i += 4096) text += String.fromCharCode(...view.subarray(i, i + 4096));
      }
      return btoa(text);
    },
  };
})();
