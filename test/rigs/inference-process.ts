/** Starts, freezes and kills an inference server in its own process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('./inference-server-process.js', import.meta.url));

export interface InferenceProcess extends AsyncDisposable {
  readonly url: string;
  freeze(): void;
  thaw(): void;
  /** Kills it, with all its connections. */
  die(): Promise<void>;
  /** Starts again at the same address. */
  comeBack(): Promise<void>;
}

/** @param model path of the ONNX file that it serves as `base` */
export async function startInferenceServer(model: string): Promise<InferenceProcess> {
  let child: ChildProcess | undefined;
  let port = 0;
  async function start(): Promise<void> {
    child = spawn(process.execPath, [script, model, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [said] = (await once(child.stdout!, 'data')) as [Buffer];
    port = Number(said.toString());
  }
  async function die(): Promise<void> {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
  await start();
  return {
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    die,
    comeBack: start,
    [Symbol.asyncDispose]: die,
  };
}
