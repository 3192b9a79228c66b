using PCache.Core.Layout;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Layout;

public class FormatterTests
{
    [Fact]
    public void Fresh_linux_image_equals_linux_own_byte_for_byte()
    {
        GoldenSet golden = GoldenSet.Load("fresh");
        using TestRegion expected = golden.OpenPmem();
        using TestRegion actual = TestRegion.Create(golden.PmemBytes);
        Formatter.Format(actual, new FormatParameters { PayloadCrc = true, GcPercent = 70, Label = "x" });
        for (long at = 4096; at < golden.PmemBytes; at += 4096)
        {
            Assert.True(expected.Bytes(at, 4096).SequenceEqual(actual.Bytes(at, 4096)), $"block at {at}");
        }
    }
}
