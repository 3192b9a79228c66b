namespace PCache.Core.Tests.Testing;

/// <summary>The harness finds what it is meant to find, names it, and finds nothing else.</summary>
public sealed partial class CrashTestTests
{
    [Fact]
    public void A_counter_in_one_sector_survives()
    {
        // example: counter
        var test = new CrashTest(
            workload: (device, log) =>
            {
                for (int i = 1; i <= 3; i++)
                {
                    log.Begin("count", $"{i}");               // from here on it may be found after a crash
                    device.Write(0, BitConverter.GetBytes(i));
                    device.Flush();
                    log.Promise();                            // from here on it must be found
                }
            },
            verify: (device, log) =>
            {
                var bytes = new byte[4];
                device.Read(0, bytes);
                int count = BitConverter.ToInt32(bytes);
                log.Check("count", count == 0 ? null : $"{count}");
            });
        CrashTestResult result = test.Run().ThrowIfFailed();

        // end of example
        Assert.Equal(7, result.CrashPoints); // before each write and flush, and at the end
        Assert.Equal(7, result.CrashPointsTried);
        Assert.Equal(4 + (3 * 3), result.States); // nothing open: one state; one sector open: lost, kept, killed
    }

    [Fact]
    public void Asynchronous_code_is_tested_too()
    {
        CrashTestResult good = MakeTest(flush: true).Run();
        Assert.Null(good.Failure);
        Assert.Equal(1 + 3 + 1, good.States);
        CrashTestFailure? failure = MakeTest(flush: false).Run().Failure;
        Assert.Equal("disk/1:none", failure?.Key);
        Assert.StartsWith("Counted as done before it was durable", failure?.Explanation, StringComparison.Ordinal);

        static CrashTest MakeTest(bool flush) => new(
            async (device, log) =>
            {
                log.Begin("bit", "1");
                await device.WriteAsync(512, new byte[] { 1 });
                await Task.Yield();
                if (flush)
                {
                    await device.FlushAsync();
                }

                log.Promise();
            },
            async (device, log) =>
            {
                var bytes = new byte[1];
                await device.ReadAsync(512, bytes);
                log.Check("bit", bytes[0] == 0 ? null : "1");
            });
    }

    [Fact]
    public void The_smallest_failing_state_is_named()
    {
        var test = new CrashTest(
            (device, _) =>
            {
                for (int sector = 0; sector < 64; sector++)
                {
                    device.Write(sector * 512, new byte[] { 1 });
                }
            },
            (device, _) => Assert.False(ReadByte(device, 5 * 512) == 1 && ReadByte(device, 40 * 512) == 0
                && ReadByte(device, 63 * 512) == 1, "63 before 40"))
        {
            MaxNestedCrashes = 0,
        };
        CrashTestFailure? failure = test.Run().Failure;
        Assert.NotNull(failure);
        Assert.Contains(failure.Key, (string[])["disk/64:none+5,63", "disk/64:all-40"]);
        Assert.True(failure.State.Count is 2 or 3, string.Join('\n', failure.State));
        Assert.Contains("63 before 40", test.Replay(failure.Key).Failure!.Exception.Message, StringComparison.Ordinal);
        Assert.Null(test.Replay("disk/64:none+5").Failure);
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, true)]
    public void Crashes_during_recovery_are_as_many_as_asked_for(int nested, bool fails)
    {
        var test = new CrashTest(
            (device, _) => device.Write(4096, new byte[512]),
            (device, _) =>
            {
                byte starts = ReadByte(device, 0);
                Assert.True(starts < 2, "started a third time");
                device.Write(0, new[] { (byte)(starts + 1) });
                device.Flush();
            })
        {
            MaxNestedCrashes = nested,
        };
        CrashTestResult result = test.Run();
        Assert.True(result.NestedStates > 0);
        Assert.Equal(fails, result.Failure is not null);
        if (result.Failure is { } failure)
        {
            Assert.Equal((3, 3), (failure.Crashes, failure.Where.Count));
            Assert.NotNull(test.Replay(failure.Key).Failure);
        }
    }

    [Fact]
    public void What_a_kill_left_may_still_be_lost()
    {
        CrashTestFailure? failure = MakeTest(flush: false).Run().Failure;
        Assert.Contains(":kill/", failure?.Key, StringComparison.Ordinal);
        Assert.StartsWith("Acted on data that was readable but not durable: flush at open first.",
            failure?.Explanation, StringComparison.Ordinal);
        Assert.Contains("In words: Acted on data", failure?.ToString(), StringComparison.Ordinal);
        Assert.Null(MakeTest(flush: true).Run().Failure);

        static CrashTest MakeTest(bool flush) => new(
            (device, log) =>
            {
                log.Begin("bit", "1");
                device.Write(0, new byte[] { 1 });
            },
            (device, log) =>
            {
                string? found = ReadByte(device, 0) == 0 ? null : "1";
                log.Check("bit", found);
                if (flush)
                {
                    device.Flush();
                }

                log.Promise("bit", found); // "I have told a caller"
            });
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Changes_of_length_can_be_lost(bool flush)
    {
        var test = new CrashTest(
            (device, log) =>
            {
                foreach (long length in (long[])[4096, 8192, 1024])
                {
                    log.Begin("length", $"{length}");
                    device.SetLength(length);
                    if (flush)
                    {
                        device.Flush();
                        log.Promise();
                    }
                }

                log.Promise();
            },
            (device, log) => log.Check("length", device.Length == 0 ? null : $"{device.Length}"))
        {
            DiskLength = 0,
            CanResize = true,
        };
        CrashTestFailure? failure = test.Run().Failure;
        Assert.Equal(flush, failure is null);
        if (failure is not null)
        {
            Assert.NotNull(test.Replay(failure.Key).Failure);
        }
    }

    [Fact]
    public void Ignored_errors_are_found_by_failing_calls_only()
    {
        CrashTest test = MakeTest(failCalls: true);
        CrashTestFailure? failure = test.Run().Failure;
        Assert.Equal("disk/fault1before/1:none", failure?.Key);
        Assert.Contains(failure!.Trace, line => line.Contains("made to fail", StringComparison.Ordinal));
        Assert.NotNull(test.Replay(failure.Key).Failure);
        Assert.Null(MakeTest(failCalls: false).Run().Failure);

        static CrashTest MakeTest(bool failCalls) => new(
            (device, log) =>
            {
                log.Begin("bit", "1");
                device.Write(0, new byte[] { 1 });
                try
                {
                    device.Flush();
                }
                catch (IOException)
                {
                    // the mistake
                }

                log.Promise();
            },
            (device, log) => log.Check("bit", ReadByte(device, 0) == 0 ? null : "1"))
        {
            FailCalls = failCalls,
        };
    }

    [Theory]
    [InlineData(CrashTestTarget.Disk)]
    [InlineData(CrashTestTarget.Cache)]
    public void What_was_set_up_is_durable_and_not_crashed_in(CrashTestTarget target)
    {
        var test = new CrashTest(
            (device, log) => log.Check("bit", ReadByte(device, 0) == 0 ? null : "1"),
            (device, log) => log.Check("bit", ReadByte(device, 0) == 0 ? null : "1"))
        {
            Target = target,
            Setup = (device, log) =>
            {
                log.Begin("bit", "1");
                device.Write(0, new byte[] { 1 });
                log.Promise(); // without a flush
            },
        };
        CrashTestResult result = test.Run().ThrowIfFailed();
        Assert.True(result.States >= 1);
        Assert.True(target == CrashTestTarget.Cache || result.CrashPoints == 1, result.ToString());
    }

    private static byte ReadByte(IBlockDevice device, long offset)
    {
        var one = new byte[1];
        _ = device.Read(offset, one);
        return one[0];
    }
}
