// Whatever is done to a PCacheStream, in whatever order, through whatever members and with whatever buffer: it answers
// as a MemoryStream does, and once flushed the device holds what the MemoryStream holds.

using FsCheck;
using FsCheck.Fluent;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests;

public class PCacheStreamModelTests
{
    public enum StepKind
    {
        Read,
        Write,
        SeekBegin,
        SeekCurrent,
        SeekEnd,
        SetLength,
        Flush,
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(2, false)]
    [InlineData(16, false)]
    [InlineData(16, true)]
    [InlineData(100, false)]
    public void It_answers_as_a_MemoryStream_does(int bufferSize, bool trulyAsync)
    {
        Gen<StreamStep> steps =
            from kind in Gen.Frequency(
                (6, Gen.Constant(StepKind.Read)),
                (8, Gen.Constant(StepKind.Write)),
                (2, Gen.Elements(StepKind.SeekBegin, StepKind.SeekCurrent, StepKind.SeekEnd)),
                (1, Gen.Elements(StepKind.SetLength, StepKind.Flush)))
            from amount in Gen.Frequency((3, Gen.Choose(1, 20)), (1, Gen.Choose(1, 300)))
            from mode in Gen.Choose(0, 5)
            select new StreamStep(kind, amount, mode);
        Prop.ForAll(steps.ListOf().ToArbitrary(), list =>
            Run([.. list], bufferSize, trulyAsync).GetAwaiter().GetResult())
            .Check(Config.QuickThrowOnFailure.WithMaxTest(150).WithEndSize(150));
    }

    private static async Task Run(StreamStep[] steps, int bufferSize, bool trulyAsync)
    {
        using IBlockDevice device = trulyAsync ? BlockDevice.FromStream(new Backing.AwkwardStream(0))
            : BlockDevice.FromMemory(0);
        using var stream = new PCacheStream(device, bufferSize);
        using var model = new MemoryStream();
        byte next = 1;
        foreach (StreamStep step in steps)
        {
            switch (step.Kind)
            {
                case StepKind.Read:
                    byte[] found = new byte[step.Amount];
                    byte[] expected = new byte[step.Amount];
                    int read = await StreamModes.ReadAsync(stream, (ReadMode)step.Mode, found, 0, step.Amount);
                    Assert.Equal(model.Read(expected), read);
                    Assert.Equal(expected, found);
                    break;
                case StepKind.Write:
                    byte[] data = new byte[step.Amount];
                    data.AsSpan().Fill(next++);
                    await StreamModes.WriteAsync(stream, (WriteMode)step.Mode, data, 0, step.Amount);
                    model.Write(data);
                    break;
                case StepKind.SeekBegin:
                    Assert.Equal(model.Seek(step.Amount, SeekOrigin.Begin), stream.Seek(step.Amount, SeekOrigin.Begin));
                    break;
                case StepKind.SeekCurrent:
                    long distance = Math.Max(step.Amount - 100 - (step.Mode * 10), -model.Position);
                    Assert.Equal(model.Seek(distance, SeekOrigin.Current), stream.Seek(distance, SeekOrigin.Current));
                    break;
                case StepKind.SeekEnd:
                    long fromEnd = Math.Max(50 - step.Amount, -model.Length);
                    Assert.Equal(model.Seek(fromEnd, SeekOrigin.End), stream.Seek(fromEnd, SeekOrigin.End));
                    break;
                case StepKind.SetLength:
                    stream.SetLength(step.Amount * 2);
                    model.SetLength(step.Amount * 2);
                    break;
                default:
                    stream.Flush();
                    await stream.FlushAsync();
                    break;
            }

            Assert.Equal(model.Length, stream.Length);
            Assert.Equal(model.Position, stream.Position);
        }

        stream.Flush();
        byte[] content = new byte[model.Length + 1];
        Assert.Equal(model.Length, device.Read(0, content));
        Assert.Equal(model.ToArray(), content[..^1]);
    }

    public sealed record StreamStep(StepKind Kind, int Amount, int Mode);
}
