namespace PCache.Core.Tests.Testing;

/// <summary>The harness finds what it is meant to find, names it, and finds nothing else.</summary>
public sealed class CrashTestTests
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
            (device, _) => Assert.False(ReadByte(device, 5 * 512) == 1 && ReadByte(device, 40 * 512) == 0 && ReadByte(device, 63 * 512) == 1, "63 before 40"))
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
        Assert.StartsWith("Acted on data that was readable but not durable: flush at open first.", failure?.Explanation, StringComparison.Ordinal);
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

                log.Promise("bit", found); // "I have told somebody"
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

    [Fact]
    public void Workloads_that_fail_by_themselves_are_told_from_crashes()
    {
        var throws = new CrashTest((_, _) => throw new InvalidDataException("no"), (_, _) => { });
        Assert.Equal((CrashTestFailureKind.Workload, "disk/end"), (throws.Run().Failure!.Kind, throws.Run().Failure!.Key));
        Assert.Equal("no", throws.Replay("disk/end").Failure!.Exception.Message);

        var misuses = new CrashTest((device, _) => device.Write(512, new byte[512]), (_, _) => { }) { BlockSize = 4096 };
        Assert.Equal(CrashTestFailureKind.Workload, misuses.Run().Failure?.Kind);

        var wrong = new CrashTest((_, _) => { }, (_, _) => throw new InvalidDataException("wrong at once"));
        Assert.Equal(CrashTestFailureKind.NoCrash, wrong.Run().Failure?.Kind);
    }

    [Fact]
    public void Workloads_that_change_are_refused()
    {
        int runs = 0;
        var test = new CrashTest(
            (device, _) =>
            {
                runs++;
                for (int i = 0; i < runs; i++)
                {
                    device.Flush();
                }
            },
            (_, _) => { });
        Assert.Contains("deterministic", Assert.Throws<InvalidOperationException>(test.Run).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Budgets_hold_and_the_flushes_come_first()
    {
        var test = new CrashTest(
            (device, _) =>
            {
                for (int i = 0; i < 90; i++)
                {
                    device.Write(i * 512, new byte[] { 1 });
                    if (i % 10 == 9)
                    {
                        device.Flush();
                    }
                }
            },
            (_, _) => { })
        {
            MaxCrashPoints = 12,
            MaxStatesPerPoint = 5,
            MaxNestedStates = 0,
        };
        CrashTestResult result = test.Run();
        Assert.Equal((100, 12, 0L), (result.CrashPoints, result.CrashPointsTried, result.NestedStates));
        Assert.InRange(result.States, 12, 12 * 5);
        Assert.True(result.States >= 9 * 5, $"{result.States}"); // nine flushes, each with ten sectors open before it
        Assert.StartsWith("passed: 12 of 100 crash points", result.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("order", "Relied on an order")]
    [InlineData("halves", "Stopped between two calls")]
    [InlineData("never", "No crash is needed: the verification")]
    [InlineData("throws", "No crash is needed: the workload")]
    [InlineData("ignores", "Went on after a call of the device had failed (call ")]
    public void The_kind_of_mistake_is_said_in_words(string mistake, string words)
    {
        var test = new CrashTest(
            (device, log) =>
            {
                if (mistake == "throws")
                {
                    throw new InvalidOperationException();
                }

                log.Begin("bit", "1");
                device.Write(0, new byte[] { 1 });
                if (mistake == "halves")
                {
                    device.Flush(); // the other half follows
                }

                device.Write(4096, new byte[] { 1 });
                try
                {
                    device.Flush();
                }
                catch (IOException) when (mistake == "ignores")
                {
                }

                log.Promise();
            },
            (device, log) =>
            {
                (byte first, byte second) = (ReadByte(device, 0), ReadByte(device, 4096));
                Assert.True(mistake != "never");
                Assert.True(mistake is not ("order" or "halves") || first >= second);
                Assert.True(mistake != "halves" || first == second);
                log.Check("bit", second == 0 ? null : "1");
            })
        {
            FailCalls = mistake == "ignores",
        };
        CrashTestFailure failure = test.Run().Failure!;
        Assert.StartsWith(words, failure.Explanation, StringComparison.Ordinal);
        Assert.Equal(failure.Explanation, test.Replay(failure.Key).Failure?.Explanation);
    }

    [Fact]
    public void A_failure_tells_its_story()
    {
        var test = new CrashTest(
            (device, log) =>
            {
                log.Note("a remark");
                log.Begin("bit", "1");
                device.Write(1024, new byte[] { 1 });
                log.Promise();
            },
            (device, log) => log.Check("bit", ReadByte(device, 1024) == 0 ? null : "1"))
        {
            Seed = 7,
        };
        CrashTestException thrown = Assert.Throws<CrashTestException>(() => test.Run().ThrowIfFailed());
        Assert.Equal(7, thrown.Failure!.Seed);
        Assert.IsType<CrashTestException>(thrown.InnerException);
        foreach (string part in (string[])["Key: disk/1:none", "seed 7", "note: a remark", "write 1024+1", "promised: bit = '1'", "power cut", "of 1 undecided items all are lost"])
        {
            Assert.Contains(part, thrown.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Keys_of_other_tests_are_refused()
    {
        var test = new CrashTest((device, _) => device.Write(0, new byte[512]), (_, _) => { });
        Assert.Null(test.Replay("disk/1:none+0").Failure);
        foreach (string key in (string[])["", "tape/1:none", "disk/1", "disk/1:some", "disk/1:none+x"])
        {
            Assert.Throws<FormatException>(() => test.Replay(key));
        }

        foreach (string key in (string[])["cache/1:none", "disk/9:none", "disk/1:none+7", "disk/1:none+0=9", "disk/1:none/9:none"])
        {
            Assert.Throws<ArgumentException>(() => test.Replay(key));
        }
    }

    [Fact]
    public void Settings_out_of_range_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new CrashTest((_, _) => { }, (_, _) => { }) { DiskLength = -1 }.Run());
        Assert.Throws<ArgumentOutOfRangeException>(() => new CrashTest((_, _) => { }, (_, _) => { }) { MaxStatesPerPoint = 3 }.Run());
        Assert.Throws<ArgumentOutOfRangeException>(() => new CrashTest((_, _) => { }, (_, _) => { }) { BlockSize = 3 }.Run());
    }

    private static byte ReadByte(IBlockDevice device, long offset)
    {
        var one = new byte[1];
        _ = device.Read(offset, one);
        return one[0];
    }
}
