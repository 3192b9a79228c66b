namespace PCache.Core.Tests.Testing;

/// <content>What the harness says of a failure, and what it refuses.</content>
public sealed partial class CrashTestTests
{
    [Fact]
    public void Workloads_that_fail_by_themselves_are_told_from_crashes()
    {
        var throws = new CrashTest((_, _) => throw new InvalidDataException("no"), (_, _) => { });
        Assert.Equal((CrashTestFailureKind.Workload, "disk/end"),
            (throws.Run().Failure!.Kind, throws.Run().Failure!.Key));
        Assert.Equal("no", throws.Replay("disk/end").Failure!.Exception.Message);

        var misuses = new CrashTest((device, _) => device.Write(512, new byte[512]), (_, _) =>
            { })
        { BlockSize = 4096 };
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
        Assert.Contains("deterministic", Assert.Throws<InvalidOperationException>(test.Run).Message,
            StringComparison.Ordinal);
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
        foreach (string part in (string[])["Key: disk/1:none", "seed 7", "note: a remark", "write 1024+1",
            "promised: bit = '1'", "power cut", "of 1 undecided items all are lost"])
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

        foreach (string key in (string[])["cache/1:none", "disk/9:none", "disk/1:none+7", "disk/1:none+0=9",
            "disk/1:none/9:none"])
        {
            Assert.Throws<ArgumentException>(() => test.Replay(key));
        }
    }

    [Fact]
    public void Settings_out_of_range_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            new CrashTest((_, _) => { }, (_, _) => { }) { DiskLength = -1 }.Run());
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            new CrashTest((_, _) => { }, (_, _) => { }) { MaxStatesPerPoint = 3 }.Run());
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            new CrashTest((_, _) => { }, (_, _) => { }) { BlockSize = 3 }.Run());
    }
}
