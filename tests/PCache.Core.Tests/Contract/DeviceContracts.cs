using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Contract;

public sealed class MemoryDeviceSyncContract() : DeviceContract(RegionKind.Memory, ViewKind.DeviceSync);

public sealed class MemoryDeviceAsyncContract() : DeviceContract(RegionKind.Memory, ViewKind.DeviceAsync);

public sealed class MemoryStreamSyncContract() : DeviceContract(RegionKind.Memory, ViewKind.StreamSync);

public sealed class MemoryStreamAsyncContract() : DeviceContract(RegionKind.Memory, ViewKind.StreamAsync);

public sealed class PageCacheDeviceSyncContract() : DeviceContract(RegionKind.PageCache, ViewKind.DeviceSync);

public sealed class PageCacheDeviceAsyncContract() : DeviceContract(RegionKind.PageCache, ViewKind.DeviceAsync);

public sealed class PageCacheStreamSyncContract() : DeviceContract(RegionKind.PageCache, ViewKind.StreamSync);

public sealed class PageCacheStreamAsyncContract() : DeviceContract(RegionKind.PageCache, ViewKind.StreamAsync);

public sealed class PowerSafeDeviceSyncContract() : DeviceContract(RegionKind.PowerSafe, ViewKind.DeviceSync);

public sealed class PowerSafeDeviceAsyncContract() : DeviceContract(RegionKind.PowerSafe, ViewKind.DeviceAsync);

public sealed class PowerSafeStreamSyncContract() : DeviceContract(RegionKind.PowerSafe, ViewKind.StreamSync);

public sealed class PowerSafeStreamAsyncContract() : DeviceContract(RegionKind.PowerSafe, ViewKind.StreamAsync);

public sealed class AssumedDeviceSyncContract() : DeviceContract(RegionKind.Assumed, ViewKind.DeviceSync);

public sealed class AssumedDeviceAsyncContract() : DeviceContract(RegionKind.Assumed, ViewKind.DeviceAsync);

public sealed class AssumedStreamSyncContract() : DeviceContract(RegionKind.Assumed, ViewKind.StreamSync);

public sealed class AssumedStreamAsyncContract() : DeviceContract(RegionKind.Assumed, ViewKind.StreamAsync);

public sealed class MemoryBatchSyncContract() : DeviceContract(RegionKind.Memory, ViewKind.BatchSync);

public sealed class MemoryBatchAsyncContract() : DeviceContract(RegionKind.Memory, ViewKind.BatchAsync);

public sealed class PageCacheBatchSyncContract() : DeviceContract(RegionKind.PageCache, ViewKind.BatchSync);

public sealed class PageCacheBatchAsyncContract() : DeviceContract(RegionKind.PageCache, ViewKind.BatchAsync);

public sealed class PowerSafeBatchSyncContract() : DeviceContract(RegionKind.PowerSafe, ViewKind.BatchSync);

public sealed class PowerSafeBatchAsyncContract() : DeviceContract(RegionKind.PowerSafe, ViewKind.BatchAsync);

public sealed class AssumedBatchSyncContract() : DeviceContract(RegionKind.Assumed, ViewKind.BatchSync);

public sealed class AssumedBatchAsyncContract() : DeviceContract(RegionKind.Assumed, ViewKind.BatchAsync);
