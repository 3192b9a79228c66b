namespace PCache.Core.Writeback;

/// <content>
/// How long the backing has to be. Keeps true: it is made longer here alone, by the lengths that the log tells, before
/// what lies beyond its old end is written; so two never change it at once (a truncation does so while the log tells
/// none).
/// </content>
internal sealed partial class WritebackWorker
{
    private long _deviceLength; // behind what was collected; 0: as before
    private bool _grown; // the backing was made longer, and isn't flushed

    /// <summary>How long the backing has to be at least, with what was collected.</summary>
    private long TargetLength => Math.Min(_deviceLength, EndsAt);

    /// <summary>Makes the backing as long as the device was where the group or window ends.</summary>
    private void Lengthen()
    {
        long length = TargetLength;
        if (_watch.CheckLength() < length)
        {
            _grown = true;
            _backing.SetLength(length);
        }

        _watch.NoteGrown(length); // also where a call that failed had taken effect
    }
}
