using PCache.Core.Inspection;
using PCache.Core.Pmem;

namespace PCache.Core.Tests.Support;

/// <summary>The offline check, as an assertion.</summary>
internal static class ImageChecks
{
    public static void AssertSound(byte[] image, bool linux = false, bool damagedPayload = false)
    {
        using PmemRegion region = Rig.Load(image);
        AssertSound(region, linux, damagedPayload);
    }

    /// <summary>Nothing is wrong; except for payload where a test has damaged some.</summary>
    public static void AssertSound(PmemRegion region, bool linux = false, bool damagedPayload = false)
    {
        CheckReport report = CacheImage.Check(region, new CheckOptions { CheckLinux = linux });
        string findings = string.Join(Environment.NewLine, report.Findings.Take(8));
        Assert.True(report.IsCache, findings);
        Assert.True(report.IsSound || (damagedPayload
            && report.Findings.All(f => f.Severity == FindingSeverity.Note || f.Structure == "payload")), findings);
        if (linux)
        {
            Assert.True(report.IsAcceptedByLinux == true, findings);
        }
    }
}
