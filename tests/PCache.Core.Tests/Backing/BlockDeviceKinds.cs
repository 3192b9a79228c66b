// The contract, once for each kind of device.

namespace PCache.Core.Tests.Backing;

public class MemoryDeviceContractTests : BlockDeviceContractTests
{
    protected override bool CanResize => true;

    protected override IBlockDevice Create(long lengthBytes) => BlockDevice.FromMemory(lengthBytes);
}

public class FixedMemoryDeviceContractTests : BlockDeviceContractTests
{
    protected override bool CanResize => false;

    protected override IBlockDevice Create(long lengthBytes) => BlockDevice.FromMemory(lengthBytes, canResize: false);
}

public class BlockMemoryDeviceContractTests : BlockDeviceContractTests
{
    protected override bool CanResize => true;

    protected override int BlockSize => 4096;

    protected override IBlockDevice Create(long lengthBytes) => BlockDevice.FromMemory(lengthBytes, blockSize: 4096);
}

public class FixedBlockMemoryDeviceContractTests : BlockDeviceContractTests
{
    protected override bool CanResize => false;

    protected override int BlockSize => 512;

    protected override IBlockDevice Create(long lengthBytes) =>
        BlockDevice.FromMemory(lengthBytes, blockSize: 512, canResize: false);
}

public class FileStreamDeviceContractTests : BlockDeviceContractTests
{
    protected override bool CanResize => true;

    protected override IBlockDevice Create(long lengthBytes)
    {
        var stream = new FileStream(Path.Combine(Folder, "backing"), FileMode.Create, FileAccess.ReadWrite);
        stream.SetLength(lengthBytes);
        return BlockDevice.FromStream(stream);
    }
}

public class AsyncFileStreamDeviceContractTests : BlockDeviceContractTests
{
    protected override bool CanResize => true;

    protected override IBlockDevice Create(long lengthBytes)
    {
        var stream = new FileStream(Path.Combine(Folder, "backing"), FileMode.Create, FileAccess.ReadWrite,
            FileShare.None, 0, FileOptions.Asynchronous);
        stream.SetLength(lengthBytes);
        return BlockDevice.FromStream(stream);
    }
}

public class OpenFileDeviceContractTests : BlockDeviceContractTests
{
    protected override bool CanResize => true;

    protected override IBlockDevice Create(long lengthBytes)
    {
        string path = Path.Combine(Folder, "backing");
        using (FileStream stream = File.Create(path))
        {
            stream.SetLength(lengthBytes);
        }

        return BlockDevice.OpenFile(path);
    }
}

public class MemoryStreamDeviceContractTests : BlockDeviceContractTests
{
    protected override bool CanResize => true;

    protected override IBlockDevice Create(long lengthBytes) =>
        BlockDevice.FromStream(new MemoryStream { Position = 0 }.WithLength(lengthBytes));
}

public class AwkwardStreamDeviceContractTests : BlockDeviceContractTests
{
    protected override bool CanResize => true;

    protected override IBlockDevice Create(long lengthBytes) => BlockDevice.FromStream(new AwkwardStream(lengthBytes));
}

public class FixedAwkwardStreamDeviceContractTests : BlockDeviceContractTests
{
    protected override bool CanResize => false;

    protected override IBlockDevice Create(long lengthBytes) =>
        BlockDevice.FromStream(new AwkwardStream(lengthBytes) { RefusesSetLength = true });
}

public class BufferedStreamDeviceContractTests : BlockDeviceContractTests
{
    protected override bool CanResize => true;

    protected override IBlockDevice Create(long lengthBytes) =>
        BlockDevice.FromStream(new BufferedStream(new AwkwardStream(lengthBytes), 1000));
}

public class DerivedFileStreamDeviceContractTests : BlockDeviceContractTests
{
    protected override bool CanResize => true;

    protected override IBlockDevice Create(long lengthBytes) =>
        BlockDevice.FromStream(new CountingFileStream(Path.Combine(Folder, "backing")).WithLength(lengthBytes));
}

public class SimulatedDiskContractTests : BlockDeviceContractTests
{
    protected override bool CanResize => true;

    protected override IBlockDevice Create(long lengthBytes) =>
        new SimulatedDisk(lengthBytes, new SimulatedDiskOptions { CanResize = true });
}

public class FixedSimulatedDiskContractTests : BlockDeviceContractTests
{
    protected override bool CanResize => false;

    protected override IBlockDevice Create(long lengthBytes) =>
        new SimulatedDisk(lengthBytes, new SimulatedDiskOptions { CanDiscard = true });
}

public class BlockSimulatedDiskContractTests : BlockDeviceContractTests
{
    protected override bool CanResize => true;

    protected override int BlockSize => 4096;

    protected override IBlockDevice Create(long lengthBytes) =>
        new SimulatedDisk(lengthBytes,
        new SimulatedDiskOptions { CanResize = true, BlockSize = 4096, CanDiscard = true });
}

internal static class StreamExtensions
{
    public static T WithLength<T>(this T stream, long lengthBytes)
        where T : Stream
    {
        stream.SetLength(lengthBytes);
        return stream;
    }
}
