using PCache.Core.Inspection;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Inspection;

public class GoldenInspectionTests
{
    public static TheoryData<string> Sets => [.. GoldenSet.Names];

    [Theory]
    [MemberData(nameof(Sets))]
    public void Status_agrees_with_linux(string name)
    {
        GoldenSet golden = GoldenSet.Load(name);
        using TestRegion region = golden.OpenPmem();
        CacheImageStatus status = CacheImage.ReadStatus(region);
        string expected = name switch
        {
            // Written back further after its last status line.
            "multi-link" => golden.LastDmStatus.Replace("0:219816", "0:250680", StringComparison.Ordinal),

            // Killed later than their last status line.
            "killed" => "0 31 31 2 70 1183 0:18008 0:0 0:0",
            "gc-crash" => "0 31 31 20 70 1183 0:201752 0:199168 0:10288",
            _ => golden.LastDmStatus,
        };
        Assert.Equal(expected, status.DmStatus);
        Assert.Equal((true, 31, 70, "writeback"),
            (status.IsLinuxGeometry, status.SegmentCount, status.GcThresholdPercent, status.Mode));
        Assert.Equal(golden.Manifest.GetProperty("data_crc").GetBoolean(), status.PayloadCrc);
        Assert.Equal((Guid.Empty, string.Empty, null), (status.CacheId, status.Label, status.BackingLength));
        Assert.True(status.IsSound);
        Assert.Equal(status.DirtyKeys == 0, status.IsClean);
        Assert.Equal(name == "fresh", status.IsClean);
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public void Check_finds_them_sound_and_fit_for_linux(string name)
    {
        GoldenSet golden = GoldenSet.Load(name);
        using TestRegion region = golden.OpenPmem();
        CheckReport report = CacheImage.Check(region,
            new CheckOptions { BackingLengthBytes = golden.BackingBytes, CheckLinux = true });
        Assert.True(report.IsSound, string.Join('\n', report.Findings));
        Assert.True(report.IsAcceptedByLinux, string.Join('\n', report.Findings));
        Assert.True(report.IsCache);
        Assert.All(report.Findings, f => Assert.Equal(FindingSeverity.Note, f.Severity));

        // Only the image whose writer was stopped inside GC has anything to tell.
        Assert.Equal(name == "gc-crash" ? 1 : 0, report.Findings.Count);
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public void Dump_yields_every_kset_and_dirty_bytes_are_those_of_its_dirty_keys(string name)
    {
        GoldenSet golden = GoldenSet.Load(name);
        using TestRegion region = golden.OpenPmem();
        CacheImageStatus status = CacheImage.ReadStatus(region);
        LogDump dump = CacheImage.ReadLog(region, withKeys: true);
        bool[] dirty = new bool[golden.BackingBytes / 512];
        long ksets = 0;
        long keys = 0;
        LogPosition expected = status.KeyTail;
        foreach (KsetInfo kset in dump.Ksets)
        {
            Assert.Equal(expected, kset.Position);
            Assert.True(kset.IsBarrier);
            Assert.Equal(0u, kset.Sequence);
            Assert.Equal(kset.IsLast, kset.NextSegment is not null);
            Assert.Equal(kset.KeyCount, kset.Keys.Count);
            expected = kset.NextSegment is int next ? new LogPosition(next, 0)
                : new LogPosition(kset.Position.Segment, kset.Position.Offset + 24 + (40 * kset.KeyCount));
            ksets++;
            keys += kset.KeyCount;
            foreach (KeyInfo key in kset.Keys)
            {
                if (kset.IsDirty && key.IsLive && !key.IsClean)
                {
                    dirty.AsSpan((int)(key.Offset / 512), (int)(key.Length / 512)).Fill(true);
                }
            }
        }

        Assert.Equal(expected, dump.KeyHead);
        Assert.Equal(status.KeyHead, dump.KeyHead);
        Assert.Equal(status.Ksets, ksets);
        Assert.Equal(status.LiveKeys + status.DeadKeys, keys);
        Assert.Equal(512L * dirty.Count(d => d), status.DirtyBytes);
        Assert.Equal(ksets, CacheImage.ReadLog(region, withKeys: false).Ksets.Count());
    }

    [Fact]
    public void A_flipped_payload_byte_is_one_finding()
    {
        GoldenSet golden = GoldenSet.Load("dirty-small");
        using TestRegion region = golden.OpenPmem(readOnly: false);
        KeyInfo key = CacheImage.ReadLog(region, withKeys: true).Ksets.First().Keys[3];
        long place = 20480 + (16L * 1024 * 1024 * key.Segment) + 12288 + key.SegmentOffset;
        region.Bytes(place, 1)[0] ^= 1;
        CheckReport report = CacheImage.Check(region, new CheckOptions { CheckLinux = true });
        Finding finding = Assert.Single(report.Findings);
        Assert.Equal((FindingSeverity.Damage, "payload", place), (finding.Severity, finding.Structure, finding.Offset));
        Assert.False(report.IsSound);
        Assert.False(report.IsAcceptedByLinux);
    }

    [Fact]
    public void Stale_payload_of_dead_keys_is_no_damage_but_keeps_linux_away()
    {
        GoldenSet golden = GoldenSet.Load("gc-crash");
        using TestRegion region = golden.OpenPmem(readOnly: false);
        KeyInfo dead = CacheImage.ReadLog(region, withKeys: true).Ksets.SelectMany(k => k.Keys).First(k => !k.IsLive);
        region.Bytes(20480 + (16L * 1024 * 1024 * dead.Segment) + 12288 + dead.SegmentOffset, 512).Fill(0xEE);
        CheckReport report = CacheImage.Check(region, new CheckOptions { CheckLinux = true });
        Assert.True(report.IsSound);
        Assert.False(report.IsAcceptedByLinux);
        Assert.Contains(report.Findings, f => f.Text.StartsWith("Linux doesn't take", StringComparison.Ordinal));
        Assert.True(CacheImage.Check(region).IsSound);
        Assert.Null(CacheImage.Check(region).IsAcceptedByLinux);
    }

    [Fact]
    public void A_shorter_backing_is_found()
    {
        GoldenSet golden = GoldenSet.Load("dirty-small");
        using TestRegion region = golden.OpenPmem();
        CheckReport report = CacheImage.Check(region, new CheckOptions { BackingLengthBytes = 1 << 20 });
        Assert.False(report.IsSound);
    }
}
