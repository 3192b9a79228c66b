using PCache.Core;
using PCache.Core.Pmem;

namespace PCache.Testing.Torture;

internal static class IntegrityAudit
{
    public static void Check(PCacheDevice device, PmemRegion region)
    {
        _ = device;
        _ = region;
    }
}
