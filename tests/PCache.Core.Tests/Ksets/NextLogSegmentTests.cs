using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Primitives;
using PCache.Core.Segments;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Ksets;

/// <summary>Zeroing the log's next segment in pieces, while the log takes it.</summary>
public sealed class NextLogSegmentTests : IDisposable
{
    private const int Segments = 3;
    private const int SegmentBytes = (4 * NextLogSegment.CheapPieceBytes) + MediaConstants.SegmentDataOffset - 512;
    private readonly SimulatedPmem _region =
        SimulatedPmem.Allocate(MediaConstants.SegmentsOffset + (Segments * SegmentBytes));
    private readonly SegmentTable _segments;
    private readonly NextLogSegment _next;

    public NextLogSegmentTests()
    {
        var geometry = new Geometry(SegmentBytes, Segments, isLinux: false);
        _segments = new SegmentTable(_region, geometry, [0, 1, 2], new ulong[Segments],
            [ReplicaState.None, ReplicaState.None, ReplicaState.None], reserveTarget: 2, new WorkSignal());
        Assert.Equal(2, _segments.BuildPools());
        for (int i = 0; i < Segments; i++)
        {
            Fill(i, 0xA5);
        }

        _next = new NextLogSegment(_region, _segments);
    }

    public void Dispose() => _region.Dispose();

    [Fact]
    public void Pieces_add_up_to_the_whole_and_are_durable()
    {
        int pieces = 1;
        while (!_next.Advance(_segments.PeekReserve))
        {
            Assert.False(_next.IsReady(0));
            pieces++;
        }

        Assert.Equal(4, pieces);
        Assert.True(_next.IsReady(0));
        AssertAll(0, 0);
        AssertAll(1, 0xA5);
        Assert.Equal(1ul, _segments.Generation(0));
        Assert.True(_next.Advance(_segments.PeekReserve), "there is nothing more to do");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4)]
    public void The_writer_that_takes_it_finishes_what_was_prepared(int pieces)
    {
        for (int i = 0; i < pieces; i++)
        {
            _next.Advance(_segments.PeekReserve);
        }

        _next.Finish(0);
        AssertAll(0, 0);
        _next.Take();
        Assert.False(_next.IsReady(0));
        Assert.Equal(1, _segments.PeekReserve());
        _next.Finish(1);
        AssertAll(1, 0);
    }

    /// <summary>
    /// The preparation has just seen which segment is next, and now the log takes that one and writes to it.
    /// </summary>
    [Fact]
    public async Task Nothing_is_zeroed_that_has_become_part_of_the_log()
    {
        Task? log = null;
        _next.Advance(() =>
        {
            int segment = _segments.PeekReserve();
            log = Eventually.Thread(() =>
            {
                _next.Finish(segment);
                _next.Take();
                Fill(segment, 0x5A);
            });
            log.Wait(TimeSpan.FromMilliseconds(100)); // it can't end before this piece is zeroed; if it could, it would
            return segment;
        });
        await Eventually.Completes(log!, "the log's own zeroing");
        AssertAll(0, 0x5A);
        while (!_next.Advance(_segments.PeekReserve))
        {
        }

        AssertAll(0, 0x5A);
        AssertAll(1, 0);
    }

    [Fact]
    public void An_empty_reserve_is_nothing_to_do()
    {
        Assert.True(_next.Advance(() => -1));
        AssertAll(0, 0xA5);
    }

    private void Fill(int segment, byte value)
    {
        byte[] bytes = new byte[_segments.DataSize];
        bytes.AsSpan().Fill(value);
        _region.WriteDurably(_segments.DataOffset(segment), bytes);
    }

    private void AssertAll(int segment, byte value) =>
        Assert.Equal(-1, _region.ReadSpan(_segments.DataOffset(segment), _segments.DataSize).IndexOfAnyExcept(value));
}
