// Browsers start no worker from file://. There, the theme's search runs in a hidden frame instead.
if (location.protocol === "file:")
  window.Worker = window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.srcdoc = `<script>
        postMessage = data => parent.dispatchEvent(new MessageEvent("frame", { data }));
        importScripts = (...urls) => Promise.all(urls.map(url => new Promise(done => {
          document.body.append(Object.assign(document.createElement("script"), { src: url, onload: done }));
        })));
      </${"script"}><script src="${url}"></${"script"}>`;
      this.ready = new Promise(done => (this.frame.onload = done));
      addEventListener("frame", event => this.dispatchEvent(new MessageEvent("message", event)));
      document.body.append(this.frame);
    }
    postMessage(data) {
      this.ready.then(() =>
        this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })));
    }
  };
