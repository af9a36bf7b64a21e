/**
 * From which address a request comes. API process. What X-Forwarded-For says counts only as far as proxies that the
 * installation trusts have written it: from the right, up to the first address that is none of theirs.
 */
import { BlockList, isIP } from 'node:net';

/**
 * Addresses of trusted proxies, from `10.0.0.0/8, ::1`; undefined when a part is neither address nor network.
 */
export function proxiesOf(text: string): BlockList | undefined {
  const proxies = new BlockList();
  for (const part of text.split(',').map((piece) => piece.trim())) {
    if (part === '') continue;
    const [address = '', bits] = part.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    const most = family === 'ipv6' ? 128 : 32;
    if (isIP(address) === 0 || (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= most)))
      return undefined;
    if (bits === undefined) proxies.addAddress(address, family);
    else proxies.addSubnet(address, Number(bits), family);
  }
  return proxies;
}

/**
 * Who asks, as one name for all requests of theirs: an IPv4 address, or the /64 of an IPv6 one, which is one customer's
 * (RFC 6177). `peer` is the other end of the connection; without one, as over a local socket, nobody is known.
 */
export function clientAddress(
  peer: string | undefined,
  forwarded: string | undefined,
  proxies: BlockList,
): string | undefined {
  let address = plain(peer ?? '');
  if (address === undefined) return undefined;
  const hops = (forwarded ?? '').split(',').toReversed();
  for (const hop of hops) {
    if (!proxies.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')) break;
    const before = plain(hop.trim());
    // A proxy that does not know who asked it is who asks.
    if (before === undefined) break;
    address = before;
  }
  return isIP(address) === 6 ? networkOf(address) : address;
}

/** An address without port, brackets, zone, and IPv4 in IPv6; undefined for what is none. */
function plain(text: string): string | undefined {
  const bare = text.replace(/^\[([^\]]*)\](:\d+)?$/, '$1').replace(/%.*$/, '');
  const mapped = bare.replace(/^::ffff:(?=\d+\.)/i, '');
  const address = mapped.replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1');
  return isIP(address) === 0 ? undefined : address;
}

/** The first four groups of an IPv6 address. */
function networkOf(address: string): string {
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  const behind = tail === undefined || tail === '' ? [] : tail.split(':');
  const whole =
    tail === undefined ? groups : [...groups, ...Array<string>(8 - groups.length - behind.length).fill('0'), ...behind];
  return `${whole
    .slice(0, 4)
    .map((group: string) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
