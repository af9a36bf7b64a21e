/**
 * The `smpp` package's side of `edge`, used as well as it can be: its fields are ready before the clock runs, the text
 * is a Buffer, the window is kept full from its callbacks, and Nagle's algorithm is off. One measurement.
 */
import { ownUse, script } from '../script.ts';
import { bindByPackage, gsmBuffer, type PackageAnswer, packageFields } from '../smpp-package.ts';
import { addressOf, distinctMessages, type EdgeAnswer, type EdgeTask, text } from './task.ts';

async function measure(task: EdgeTask): Promise<EdgeAnswer> {
  const { messages, window } = task;
  const body = gsmBuffer(text);
  const ready = Array.from({ length: distinctMessages }, (_, index) => packageFields(addressOf(index), body, 0));
  const session = await bindByPackage(task);
  const cpu = process.cpuUsage();
  const beganMs = performance.now();
  const answer = await new Promise<EdgeAnswer>((resolve) => {
    let written = 0;
    let accepted = 0;
    let refused = 0;
    const submit = () => session.submit_sm(ready[written++ % ready.length] as object, onAnswer);
    const onAnswer = ({ command_status: status, message_id: messageId }: PackageAnswer) => {
      if (status === 0 && messageId !== undefined && messageId !== '') accepted++;
      else refused++;
      if (written < messages) submit();
      else if (accepted + refused === messages)
        resolve({ seconds: (performance.now() - beganMs) / 1000, accepted, refused, ...ownUse(cpu) });
    };
    while (written < Math.min(window, messages)) submit();
  });
  await new Promise<void>((resolve) => session.unbind(resolve));
  session.close();
  return answer;
}

script(measure);
