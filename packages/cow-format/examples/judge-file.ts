/** Whether a COW file leads to a snapshot, in words for a user. */
import {
  CowFormatError,
  readHeader,
  requireIncremental,
  requirePredecessor,
  type SnapshotId,
  type Source,
} from '@dbd/cow-format';

export async function judgeFile(source: Source, snapshot: SnapshotId): Promise<string> {
  try {
    const header = await readHeader(source);
    requireIncremental(header);
    requirePredecessor(header, snapshot);
    return `leads from snapshot ${header.seqid} to ${snapshot.seqid}`;
  } catch (error) {
    if (!(error instanceof CowFormatError)) throw error;
    if (error.code === 'ERR_COW_NOT_CLEAN') return 'still in use';
    return `no: ${error.message}`;
  }
}
