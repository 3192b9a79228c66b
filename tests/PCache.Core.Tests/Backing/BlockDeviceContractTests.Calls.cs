namespace PCache.Core.Tests.Backing;

/// <content>The calls, each in both ways.</content>
public abstract partial class BlockDeviceContractTests
{
    protected static async Task<int> ReadAsync(IBlockDevice device, bool viaAsync, long offset, byte[] buffer) =>
        viaAsync ? await device.ReadAsync(offset, buffer) : device.Read(offset, buffer);

    protected static async Task WriteAsync(
        IBlockDevice device, bool viaAsync, long offset, byte[] buffer, WriteDurability durability =
            WriteDurability.Normal)
    {
        if (viaAsync)
        {
            await device.WriteAsync(offset, buffer, durability);
        }
        else
        {
            device.Write(offset, buffer, durability);
        }
    }

    protected static async Task HoldsAsync(IBlockDevice device, bool viaAsync, byte[] expected)
    {
        Assert.Equal(expected.Length, device.Length);
        byte[] found = new byte[(expected.Length + device.BlockSize) / device.BlockSize * device.BlockSize];
        Assert.Equal(expected.Length, await ReadAsync(device, viaAsync, 0, found));
        Assert.True(expected.AsSpan().SequenceEqual(found.AsSpan(0, expected.Length)),
            $"differs at {expected.AsSpan().CommonPrefixLength(found)}");
    }

    private static async Task WriteZeroesAsync(
        IBlockDevice device, bool viaAsync, long offset, long lengthBytes, WriteDurability durability =
            WriteDurability.Normal)
    {
        if (viaAsync)
        {
            await device.WriteZeroesAsync(offset, lengthBytes, durability);
        }
        else
        {
            device.WriteZeroes(offset, lengthBytes, durability);
        }
    }

    private static async Task DiscardAsync(IBlockDevice device, bool viaAsync, long offset, long lengthBytes)
    {
        if (viaAsync)
        {
            await device.DiscardAsync(offset, lengthBytes);
        }
        else
        {
            device.Discard(offset, lengthBytes);
        }
    }

    private static async Task SetLengthAsync(IBlockDevice device, bool viaAsync, long lengthBytes)
    {
        if (viaAsync)
        {
            await device.SetLengthAsync(lengthBytes);
        }
        else
        {
            device.SetLength(lengthBytes);
        }
    }

    private static async Task FlushAsync(IBlockDevice device, bool viaAsync)
    {
        if (viaAsync)
        {
            await device.FlushAsync();
        }
        else
        {
            device.Flush();
        }
    }

    private static ValueTask Disposed(IBlockDevice device)
    {
        device.Dispose();
        return ValueTask.CompletedTask;
    }

    private static Task<ArgumentOutOfRangeException> Refused(Func<Task> call) =>
        Assert.ThrowsAsync<ArgumentOutOfRangeException>(call);

    private static Task<ArgumentException> Misaligned(Func<Task> call) => Assert.ThrowsAsync<ArgumentException>(call);

    private static Task<ObjectDisposedException> Gone(Func<Task> call) =>
        Assert.ThrowsAsync<ObjectDisposedException>(call);

    private static Task<OperationCanceledException> Cancelled(Task call) =>
        Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
}
