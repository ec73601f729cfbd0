// Runs commands of Improv's own client, the npm package improv-wifi-serial-sdk, over a serial line: standard input and
// output. Arguments: the package's folder, then each command as JSON, a method's name and its arguments.
// What became of each goes to standard error as a line of JSON.

import { registerHooks } from 'node:module';
import { Readable, Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';

// The package is made for bundlers, which find its files without their ending.
registerHooks({
  resolve(name, context, next) {
    try {
      return next(name, context);
    } catch {
      return next(`${name}.js`, context);
    }
  },
});

const [folder, ...commands] = process.argv.slice(2);
const { ImprovSerial } = await import(pathToFileURL(`${folder}/dist/serial.js`));

const quiet = () => {};
const port = { readable: Readable.toWeb(process.stdin), writable: Writable.toWeb(process.stdout) };
const client = new ImprovSerial(port, { log: quiet, debug: quiet, error: quiet });
for (const command of commands) {
  const [method, ...args] = JSON.parse(command);
  const result = {};
  try {
    result.value = (await client[method](...args)) ?? null;
  } catch (error) {
    result.error = String(error);
  }
  process.stderr.write(`${JSON.stringify({ ...result, state: client.state, url: client.nextUrl })}\n`);
}
process.exit();
