namespace PCache.Core.Writeback;

/// <summary>
/// One write to the backing: <see cref="LengthBytes"/> bytes at <see cref="Offset"/>, made of consecutive pieces of
/// the plan.
/// </summary>
/// <param name="Offset">First byte in the backing; a multiple of the plan's block size.</param>
/// <param name="LengthBytes">Length; ends at a block boundary or at the end of the device.</param>
/// <param name="FirstPiece">Index of the first of its pieces.</param>
/// <param name="PieceCount">Number of its pieces, at least 1.</param>
/// <param name="NeedsFill">The run has bytes that no piece covers: they must be read from the backing first.</param>
internal readonly record struct WritebackRun(
    long Offset, int LengthBytes, int FirstPiece, int PieceCount, bool NeedsFill);

/// <summary>Bytes of a run that come from one place in the region.</summary>
/// <param name="Offset">First byte in the backing.</param>
/// <param name="LengthBytes">Length, at least 1.</param>
/// <param name="Source">Offset in the region of the payload of the first byte.</param>
internal readonly record struct WritebackPiece(long Offset, int LengthBytes, long Source);
