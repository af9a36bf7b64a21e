/**
 * Types of the part of the `smpp` package (0.5.1, which has none) that pdu.ts and tests use: its PDU codec and its
 * tables. Its sessions and servers are left out on purpose: they must never carry our traffic.
 */
declare module 'smpp' {
  /** A decoded or to be encoded PDU: header fields and, beside them, the command's own fields and TLVs by name. */
  export interface PackagePdu {
    readonly command: string;
    readonly command_length: number;
    readonly command_id: number;
    readonly command_status: number;
    readonly sequence_number: number;
    readonly [field: string]: unknown;
    toBuffer(): Buffer;
  }

  /** The package's PDU class. Both forms of its constructor throw on what they cannot handle. */
  export interface PackagePduClass {
    new (command: string, fields?: Readonly<Record<string, unknown>>): PackagePdu;
    new (bytes: Buffer): PackagePdu;
    /** Longest command_length that it decodes. */
    maxLength: number;
  }

  const smpp: {
    readonly PDU: PackagePduClass;
    readonly commands: Readonly<Record<string, { readonly id: number }>>;
    readonly errors: Readonly<Record<string, number>>;
    readonly tlvs: Readonly<Record<string, { readonly id: number }>>;
  };
  export default smpp;
}
