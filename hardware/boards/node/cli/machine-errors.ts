/** What the machine refuses (a full disk, no permission, a missing folder), as errors for people. */
import { SundialError } from '../../../../protocol/errors.ts';

/** By the name that the kernel gives it: our code, and what to do. */
const ERRORS: Readonly<Record<string, readonly [code: string, remedy: string]>> = {
  ENOENT: ['not_there', 'Correct the path, or make the folder first.'],
  EACCES: ['no_permission', 'Run it as the user who owns that, or let this user read and write there.'],
  EPERM: ['no_permission', 'Run it as the user who owns that, or let this user read and write there.'],
  EROFS: ['read_only', 'Name a place that can be written to.'],
  ENOSPC: ['disk_full', 'Make room on that disk, then run it again: what was stored before is whole.'],
  EDQUOT: ['disk_full', 'Make room within the quota, then run it again: what was stored before is whole.'],
  ENOTDIR: ['not_a_folder', 'Name a folder; a part of this path is a file.'],
  EISDIR: ['not_a_file', 'Name a file; this is a folder.'],
  EEXIST: ['already_there', 'Name something that is not there yet.'],
  EADDRINUSE: ['address_in_use', 'Stop who listens there, or name another address.'],
  EADDRNOTAVAIL: ['address_not_here', 'Name an address of this machine.'],
  EMFILE: ['too_many_files', 'Allow this process more open files (ulimit -n).'],
  ENAMETOOLONG: ['name_too_long', 'Name a shorter path; a socket has at most 107 characters.'],
};

/** The error that people are shown: a SundialError as it is, what the kernel said by our name, anything else `defect`. */
export function namedForMachine(error: unknown): SundialError {
  if (error instanceof SundialError) return error;
  const { code = '', path, address, message } = error as NodeJS.ErrnoException & { address?: string };
  const named = ERRORS[code];
  if (named !== undefined)
    return new SundialError(named[0], `${path ?? address ?? message} (${code})`, {
      severity: 'process',
      remedy: named[1],
      cause: error,
    });
  const stack = process.env.SUNDIAL_STACK === undefined ? undefined : (error as Error)?.stack;
  return new SundialError('defect', stack ?? (error instanceof Error ? message : String(error)), {
    severity: 'process',
    remedy: 'This is a fault of Sundial: run it again with SUNDIAL_STACK=1, and report what it prints.',
    cause: error,
  });
}
