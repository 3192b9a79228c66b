// Keeps true: the examples of docs/quick-start.md run here, word for word (ReadmeExamplesTests compares them), and do
// what the page says of them.

using PCache.Core.Pmem;
using PCache.Core.Tests.Docs.Example;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Docs;

/// <summary>The examples of the quick start.</summary>
public sealed class QuickStartExamplesTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly string _cachePath;
    private readonly string _backingPath;

    public QuickStartExamplesTests()
    {
        _cachePath = _folder["cache.img"];
        _backingPath = _folder.CreateFile("disk.img", 8 << 20);
    }

    public void Dispose() => _folder.Dispose();

    // example: open-cache
    private static PCacheDevice OpenCache(string cachePath, string backingPath)
    {
        PmemRegion? region = null;
        IBlockDevice? backing = null;
        try
        {
            region = PmemFile.OpenOrCreate(cachePath, 64L << 20); // 64 MiB, if it has to be made
            backing = BlockDevice.OpenFile(backingPath);          // a file that exists
            return PCacheDevice.OpenOrCreate(region, backing, new PCacheOptions
            {
                SegmentSizeBytes = 1 << 20, // small segments for a small cache; for the making only
                PayloadCrc = null,          // new cache: no checksums; existing one: as it was made
            });
        }
        catch
        {
            backing?.Dispose(); // a failed open leaves both to the caller; a device that is open owns them
            region?.Dispose();
            throw;
        }
    }

    // end of example
    [Fact]
    public void First_steps()
    {
        string cachePath = _cachePath;
        string backingPath = _backingPath;
        byte[] data = [.. Enumerable.Range(1, 1000).Select(i => (byte)i)];
        byte[] buffer = new byte[1000];

        // example: first-steps
        using (PCacheDevice device = OpenCache(cachePath, backingPath))
        {
            device.Write(8192, data); // in the cache: every reader sees it
            device.Flush();           // from here on it survives the death of the process
        } // closed: all of it is in the cache file, and perhaps nothing on the backing yet

        using (PCacheDevice device = OpenCache(cachePath, backingPath)) // goes on where the last one stopped
        {
            device.Read(8192, buffer); // what was written
            device.Drain();            // writes everything back: now the backing has it too
        }

        // end of example
        Assert.Equal(data, buffer);
        Assert.Equal(data, File.ReadAllBytes(backingPath)[8192..9192]);
    }

    [Fact]
    public void Regions()
    {
        string path = _cachePath;
        PmemRegion region;

        // example: region-file
        region = PmemFile.OpenOrCreate(path, 64L << 20);

        // end of example
        Assert.Equal((Persistence.PageCache, false), (region.Persistence, region.IsPowerSafe));
        region.Dispose();

        // example: region-power-safe
        region = PmemFile.OpenOrCreate(path, 64L << 20, new PmemFileOptions { PowerSafe = true });

        // end of example
        Assert.Equal((Persistence.PageCache, true), (region.Persistence, region.IsPowerSafe));
        region.Dispose();

        PCacheException? refused = null;
        try
        {
            // example: region-dax
            region = PmemFile.OpenOrCreate(path, 64L << 20, new PmemFileOptions { Persistence = Persistence.Dax });

            // end of example
            Assert.Equal((Persistence.Dax, true), (region.Persistence, region.IsPowerSafe));
            region.Dispose();
        }
        catch (PCacheException e)
        {
            refused = e;
        }

        Assert.True(refused is null || refused.GetType() == typeof(PCacheException),
            "refused in some other way than the page says");

        // example: region-memory
        region = PmemMemory.Allocate(64L << 20);

        // end of example
        Assert.Equal((Persistence.Volatile, false), (region.Persistence, region.IsPowerSafe));
        region.Dispose();
    }

    [Fact]
    public void Health_says_clean_dirty_and_stalled()
    {
        using (PCacheDevice device = OpenCache(_cachePath, _backingPath))
        {
            Assert.Equal("clean", Health(device));
            device.Write(0, new byte[512]);
            // write-back begins after five seconds
            Assert.StartsWith("512 bytes to write back, ", Health(device), StringComparison.Ordinal);
            device.PauseWriteback();
            Assert.Contains("Paused", Health(device), StringComparison.Ordinal);
        }
    }

    // example: health
    private static string Health(PCacheDevice device)
    {
        PCacheStatus status = device.GetStatus();
        return status.State.Condition switch
        {
            PCacheCondition.Clean => "clean",
            PCacheCondition.Dirty =>
                $"{status.DirtyBytes} bytes to write back, {status.SegmentsUsed} of {status.SegmentCount} segments "
                + "used",
            _ => status.State.ToString(), // what is wrong, since when, and why
        };
    }

    // end of example
    [Fact]
    public void Each_refusal_has_its_advice()
    {
        OpenCache(_cachePath, _backingPath).Dispose();
        using (PCacheDevice device = OpenCache(_cachePath, _backingPath))
        {
            device.Write(0, new byte[512]);
            Assert.StartsWith("Close", WhatToDo(Refused(_cachePath, _backingPath)), StringComparison.Ordinal);
        }

        Assert.StartsWith("Give", WhatToDo(Refused(_cachePath, _folder.CreateFile("other.img", 4 << 20))),
            StringComparison.Ordinal);
        Assert.StartsWith("Look at the path", WhatToDo(Refused(_cachePath, _folder["none.img"])),
            StringComparison.Ordinal);
        byte[] image = File.ReadAllBytes(_cachePath);
        image.AsSpan(8192, 8192).Fill(0xEE); // both replicas of the cache info
        File.WriteAllBytes(_cachePath, image);
        Assert.StartsWith("Keep the file", WhatToDo(Refused(_cachePath, _backingPath)), StringComparison.Ordinal);
        File.WriteAllBytes(_cachePath, [.. Enumerable.Repeat((byte)0xEE, 1 << 20)]);
        Assert.IsAssignableFrom<PCacheException>(Refused(_cachePath, _backingPath));
    }

    private static IOException Refused(string cachePath, string backingPath)
    {
        try
        {
            OpenCache(cachePath, backingPath).Dispose();
        }
        catch (IOException e)
        {
            return e;
        }

        throw new InvalidOperationException("it wasn't refused");
    }

    // example: what-to-do
    private static string WhatToDo(Exception e) => e switch
    {
        PCacheInUseException => "Close the other process that has the cache open.",
        PCacheBackingMismatchException => "Give the backing that the cache belongs to.",
        PCacheLostWritesException =>
            "Another writer of this image has lost writes: run pcache check, then decide on AcceptLostWrites.",
        PCacheFullException => "No room, and write-back makes none: look at WritebackError.",
        PCacheDamagedDataException damaged =>
            $"Write bytes {damaged.Offset} to {damaged.Offset + damaged.LengthBytes - 1} anew, or give them up with "
            + "AbandonDamaged.",
        PCacheCorruptionException => "Keep the file as it is, make a copy, run pcache check.",
        PCacheException => e.Message, // says what to do
        FileNotFoundException => "Look at the path.",
        IOException => "The disk of the cache or of the backing failed: see the message.",
        _ => "A mistake in the program.",
    };

    // end of example
    [Fact]
    public void A_full_cache_with_a_time_limit_tells()
    {
        byte[] data = new byte[1 << 20];
        using PCacheDevice device = PCacheDevice.Create(
            PmemMemory.Allocate(4 << 20),
            BlockDevice.FromMemory(64 << 20),
            new PCacheOptions
            {
                SegmentSizeBytes = 256 << 10,
                SpaceTimeout = TimeSpan.FromMilliseconds(50),
                StartWritebackPaused = true
            });
        PCacheFullException full = Assert.Throws<PCacheFullException>(() =>
        {
            for (int i = 0; i < 64; i++)
            {
                device.Write((long)i << 20, data);
            }
        });
        Assert.StartsWith("No room", WhatToDo(full), StringComparison.Ordinal);
    }

    [Fact]
    public void A_database_on_a_cache()
    {
        string cachePath = _cachePath;
        string backingPath = _backingPath;
        long balance;

        // example: database
        using (PCacheDevice device = OpenCache(cachePath, backingPath))
        {
            var accounts = new Accounts(device);
            accounts.Transfer(from: 1, to: 2, amount: 100);
            balance = accounts.Balance(2);
        }

        // end of example
        Assert.Equal(100, balance);
        using PCacheDevice again = OpenCache(cachePath, backingPath);
        var reopened = new Accounts(again);
        Assert.Equal((-100, 100), (reopened.Balance(1), reopened.Balance(2)));
    }

    [Theory]
    [InlineData(CrashTestTarget.Disk)]
    [InlineData(CrashTestTarget.Cache)]
    public void The_database_survives_every_crash(CrashTestTarget target)
    {
        // Accounts in sectors of their own, and another pair each time: what one transfer's record says, the next one's
        // doesn't.
        int[] used = [100, 300, 500, 700];
        var test = new CrashTest(
            workload: (device, log) =>
            {
                var accounts = new Accounts(device);
                var model = new long[4];
                for (int i = 0; i < 6; i++)
                {
                    (int from, int to) = (2 * i % 4, ((2 * i) + 1) % 4);
                    model[from] -= i + 1;
                    model[to] += i + 1;
                    log.Begin("balances", string.Join(' ', model));
                    accounts.Transfer(used[from], used[to], i + 1);
                    log.Promise();
                }
            },
            verify: (device, log) =>
            {
                var accounts = new Accounts(device);
                long[] found = [.. used.Select(accounts.Balance)];
                log.Check("balances", Array.TrueForAll(found, balance => balance == 0) ? null
                    : string.Join(' ', found));
            })
        {
            DiskLength = 24 << 10,
            Target = target,
            MaxNestedStates = 200,
        };
        CrashTestResult result = test.Run();
        result.ThrowIfFailed();
        Assert.True(result.States > 20, result.ToString());
    }
}
