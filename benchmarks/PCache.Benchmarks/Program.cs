using BenchmarkDotNet.Running;

// For example: dotnet run -c Release --project benchmarks/PCache.Benchmarks -- --filter '*StripeIndex*' --job short
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
