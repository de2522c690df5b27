/**
 * EIP-712 digests over the table in structs.ts. A Signing is made once a domain; its separator and type hashes are
 * computed once, so that a digest costs two hashes.
 */
import type { CryptoSuite } from '../../hardware/interfaces/index.ts';
import { type Address, type Bytes32, equalBytes, type Signature, utf8, writeUint } from '../bytes.ts';
import { SundialError } from '../errors.ts';
import { STRUCTS, type StructMessage, type StructName, typeString } from './structs.ts';

export interface Domain {
  readonly chainId: number;
  /** Address of the vault that verifies on L2. */
  readonly vault: Address;
}

/** What a machine needs to compute with: digests of one domain, and recovery. Pure. */
export interface Signing {
  readonly suite: CryptoSuite;
  readonly domain: Domain;
  readonly separator: Bytes32;
  /** hashStruct(message): 32 bytes. Throws `wrong_length` when a byte field has another length than its type. */
  structHash<N extends StructName>(name: N, message: StructMessage<N>): Bytes32;
  /** keccak256(0x1901, separator, hashStruct): 32 bytes. A voucher's id. */
  digest<N extends StructName>(name: N, message: StructMessage<N>): Bytes32;
  /** True when `signer` signed the struct; `key` (64 bytes) selects P-256. */
  signedBy<N extends StructName>(
    name: N,
    message: StructMessage<N>,
    signature: Signature,
    signer: Address,
    key?: Uint8Array,
  ): boolean;
}

const DOMAIN_TYPE = 'EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)';

interface Layout {
  /** Where the struct is encoded, its type hash first: used anew for every digest, so that none allocates. */
  readonly encoded: Uint8Array;
  readonly fields: readonly (readonly [name: string, kind: 'uint' | 'left' | 'right', length: number])[];
}

/** uint and address stand at the right end of their 32-byte word, bytesN at the left. */
function layoutOf(suite: CryptoSuite, name: StructName): Layout {
  const fields = Object.entries(STRUCTS[name]).map(([field, type]) => {
    if (type.startsWith('uint')) return [field, 'uint', Number(type.slice(4)) / 8] as const;
    if (type === 'address') return [field, 'right', 20] as const;
    return [field, 'left', Number(type.slice(5))] as const;
  });
  const encoded = new Uint8Array(32 + 32 * fields.length);
  encoded.set(suite.keccak256(utf8(typeString(name))), 0);
  return { encoded, fields };
}

/** Makes the digests of one domain. */
export function makeSigning(suite: CryptoSuite, domain: Domain): Signing {
  const words = new Uint8Array(160);
  words.set(suite.keccak256(utf8(DOMAIN_TYPE)), 0);
  words.set(suite.keccak256(utf8('Sundial')), 32);
  words.set(suite.keccak256(utf8('1')), 64);
  writeUint(words, 128, domain.chainId);
  words.set(domain.vault, 140);
  const separator = suite.keccak256(words);
  const signed = new Uint8Array(66);
  signed.set([0x19, 0x01], 0);
  signed.set(separator, 2);

  const layouts = new Map<StructName, Layout>();
  const layout = (name: StructName): Layout => {
    let found = layouts.get(name);
    if (found === undefined) {
      found = layoutOf(suite, name);
      layouts.set(name, found);
    }
    return found;
  };

  const structHash: Signing['structHash'] = (name, message) => {
    const { encoded, fields } = layout(name);
    encoded.fill(0, 32);
    let start = 32;
    for (const [field, kind, length] of fields) {
      const value = (message as Record<string, number | Uint8Array>)[field]!;
      if (kind === 'uint') {
        writeUint(encoded, start + 32, value as number);
      } else {
        const bytes = value as Uint8Array;
        if (bytes.length !== length) {
          throw new SundialError(
            'wrong_length',
            `${name}.${field} has ${bytes.length} bytes, want ${length}`,
            {
              severity: 'call',
              remedy: 'Give the field in its fixed size.',
              facts: { struct: name, field },
            },
          );
        }
        encoded.set(bytes, kind === 'right' ? start + 32 - length : start);
      }
      start += 32;
    }
    return suite.keccak256(encoded);
  };

  const digest: Signing['digest'] = (name, message) => {
    signed.set(structHash(name, message), 34);
    return suite.keccak256(signed);
  };

  return {
    suite,
    domain,
    separator,
    structHash,
    digest,
    signedBy(name, message, signature, signer, key) {
      const found = suite.recover(digest(name, message), signature, key);
      return found !== undefined && equalBytes(found, signer);
    },
  };
}
