/**
 * The validity_period of a submit_sm: how long the carrier may go on trying. Runs in encoder threads, once a
 * batch. It is the time that remains, not the campaign's whole one, and every part carries it. Pure.
 */

const minuteSeconds = 60;
const hourSeconds = 60 * minuteSeconds;
const daySeconds = 24 * hourSeconds;
/** The relative form counts days in two digits, and carriers keep messages for some days at most. */
const validityDaysMax = 30;

/**
 * SMPP 3.4 §7.1.1.2 relative form, `YYMMDDhhmmss000R`, of `remainingMs`; at least one minute, so that the last
 * message of a campaign still has a chance, and at most 30 days.
 */
export function validityPeriod(remainingMs: number): string {
  const seconds = Math.floor(remainingMs / 1000);
  const bounded = Math.min(Math.max(seconds, minuteSeconds), validityDaysMax * daySeconds);
  const days = twoDigits(Math.floor(bounded / daySeconds));
  const hours = twoDigits(Math.floor((bounded % daySeconds) / hourSeconds));
  const minutes = twoDigits(Math.floor((bounded % hourSeconds) / minuteSeconds));
  return `0000${days}${hours}${minutes}${twoDigits(bounded % minuteSeconds)}000R`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
