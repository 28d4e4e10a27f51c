// Runs around a function: it listens where nobody else does, answers only to the server, and ends with it.
const token = Deno.env.get("BASALT_TOKEN");
const entryPoint = Deno.env.get("BASALT_ENTRY_POINT");
Deno.env.delete("BASALT_TOKEN");
Deno.env.delete("BASALT_ENTRY_POINT");

// The server holds the other end: when it is gone, so is this process.
(async () => {
  const part = new Uint8Array(16);
  while ((await Deno.stdin.read(part)) !== null);
  Deno.exit(0);
})();

const announce = (port) => {
  Deno.stdout.writeSync(new TextEncoder().encode(`\u001ebasalt ${port}\n`));
};

const serve = Deno.serve.bind(Deno);
let isServing = false;
const serveHere = (...given) => {
  const options = typeof given[0] === "function" ? (given[1] ?? {}) : (given[0] ?? {});
  const handler = [given[0], given[1], options.handler].find((one) => typeof one === "function");
  isServing = true;
  return serve(
    { onError: options.onError, signal: options.signal, hostname: "127.0.0.1", port: 0, onListen: ({ port }) => announce(port) },
    (request, info) => {
      if (request.headers.get("x-basalt-token") !== token) return new Response(null, { status: 403 });
      return handler(request, info);
    },
  );
};
Object.defineProperty(Deno, "serve", { value: serveHere, configurable: true, writable: true });

// Older code listens by itself, on the port that the standard library takes: the first listener is the function's.
const listen = Deno.listen.bind(Deno);
Object.defineProperty(Deno, "listen", {
  configurable: true,
  writable: true,
  value: (options) => {
    if (isServing || (options.transport ?? "tcp") !== "tcp") return listen(options);
    isServing = true;
    const listener = listen({ ...options, hostname: "127.0.0.1", port: 0 });
    announce(listener.addr.port);
    return listener;
  },
});

// Work that goes on behind an answer. The process stays for a while, so there is nothing to keep it for.
globalThis.EdgeRuntime ??= {
  waitUntil: (promise) => {
    Promise.resolve(promise).catch((error) => console.error(error));
    return promise;
  },
};

const module = await import(entryPoint);
const exported = module.default;
if (!isServing) {
  if (typeof exported === "function") serveHere(exported);
  else if (typeof exported?.fetch === "function") serveHere((request, info) => exported.fetch(request, info));
  else throw new Error("a function calls Deno.serve, or exports a handler as its default");
}
